"""Every selector of rules, dashboards and runbooks finds series in a real scrape of a filled fleet.

A name or a label's value that nothing emits makes an alert that never fires. What takes a fault is there because
one is made on purpose; what this world lacks is listed with its reason, and nothing may be listed that is found.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from contextlib import suppress

import httpx
import promql_parser
import psycopg
import pytest

from airwarden.rules import runbook
from airwarden.rules.catalogue import resolve
from airwarden.rules.config import RuleConfig
from airwarden.rules.lint import vector_selectors
from airwarden.rules.render_prometheus import rule_groups
from bench.fleet.fill import age
from bench.fleet.mover import Mover, Pace
from bench.fleet.shape import fleet
from support.dashboards import queries
from support.eventually import eventually
from support.faults import forgotten_slot, go_wrong, make_dags
from support.filled import filled
from support.fleet import SMALL
from support.monitoring import Prometheus
from support.postgres import Database, PostgresServer
from support.redis import RedisServer

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(400)]

_FENCE = re.compile(r"^ *```promql\n(.*?)^ *```$", re.S | re.M)
_SIGNS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}
#: Selectors that find nothing here, by the beginning of what they select, and why.
NOT_THERE = {
    "airwarden_series_dropped_total{": "the page has to be too long",
    "airwarden:mapped:answers{": "nothing is mapped here",
    "airwarden_collector_source_lag_seconds{": "there is no replica",
    "airwarden_db_statement_seconds_total{": "the extension pg_stat_statements is not there",
    "airwarden_k8s_": "nothing runs in Kubernetes here",
    "airwarden_pod": "nothing runs in Kubernetes here",
    "airwarden_quota_": "nothing runs in Kubernetes here",
    "airwarden_scaler_": "nothing runs in Kubernetes here",
    "airwarden_workload_": "nothing runs in Kubernetes here",
    "airwarden_spark_": "no Spark is watched",
    "airwarden_stream_": "no streams are watched",
    "airwarden_db_replication_lag_seconds{": "there is no replica",
    "alertmanager_notifications_failed_total{": "Alertmanager's own, which it serves itself",
    "cluster:airwarden_dag_runs_ended:increase1h:usual{": "takes a week",
    "cluster:airwarden_task_retries:increase30m:usual{": "takes a week",
    "cluster_operator:airwarden_operator_failures:increase1h:usual{": "takes a week",
    "cluster:airwarden_slots_asked:p95_7d{": "takes a week",
}


def expressions() -> Iterator[tuple[str, str]]:
    """Yield where an expression stands, and the expression."""
    rules = resolve(RuleConfig())
    for group in rule_groups(rules):
        for rule in group["rules"]:
            yield rule.get("alert") or rule["record"], rule["expr"]
    for context in rules.all():
        if context.rule.worst is not None:
            query = context.rule.worst(context).query
            yield f"{context.name}, its worst", re.sub(r"=\s*%q", '=~".+"', query)
    for panel in queries():
        yield f"panel {panel.panel}", panel.expr
    for name in sorted(runbook.names()):
        for text in _FENCE.findall(runbook.read(name)):
            yield f"runbook {name}", textwrap.dedent(text).strip()


def selectors() -> dict[str, list[str]]:
    """Return each selector, whatever its cluster, with the places in which it stands."""
    found: dict[str, list[str]] = {}
    for place, text in expressions():
        for one in vector_selectors(promql_parser.parse(text)):
            matchers = ", ".join(
                f"{m.name}{_SIGNS[str(m.op).removeprefix('MatchOp.')]}{_quoted(m.value)}"
                for m in sorted(one.matchers.matchers, key=lambda m: str(m.name))
                if m.name not in ("cluster", "__name__")
            )
            found.setdefault(f"{one.name}{{{matchers}}}", []).append(place)
    return found


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@pytest.fixture(scope="module")
def prometheus(
    postgres_server: PostgresServer,
    fleet_template: Database,
    session_redis: RedisServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Prometheus]:
    database = postgres_server.create(f"selectors_{fleet_template.name}", fleet_template.name)
    age(database.dsn)
    make_dags(database)
    mover = Mover(database.dsn, fleet(SMALL), Pace(per_day=30 * 86_400, speed=2000, trouble=8))
    made = filled(database, session_redis, tmp_path_factory.mktemp("filled"))
    with psycopg.connect(database.dsn) as forgotten, forgotten_slot(database), made as world:
        eventually(
            lambda: world.prometheus.query("airwarden_dag_runs_finished_total"),
            within=60,
            what="a scrape",
        )
        go_wrong(world, database, forgotten)
        mover.live(20, within=90)
        mover.close()
        yield world.prometheus
    postgres_server.drop(database)


def missing(prometheus: Prometheus, wanted: list[str]) -> list[str]:
    with httpx.Client(base_url=prometheus.url, timeout=20) as client:
        gone = []
        for selector in wanted:
            query = f"count(last_over_time({selector}[10m]))"
            answer = client.get("/api/v1/query", params={"query": query}).json()
            assert answer["status"] == "success", (selector, answer)
            if not answer["data"]["result"]:
                gone.append(selector)
        return gone


def test_every_selector_finds_series_but_what_this_world_lacks(prometheus: Prometheus) -> None:
    every = selectors()
    assert len(every) > 200
    gone = list(every)

    def lost() -> list[str]:
        return sorted(one for one in gone if not one.startswith(tuple(NOT_THERE)))

    def found() -> bool:
        gone[:] = missing(prometheus, gone)
        return not lost()

    with suppress(AssertionError):
        eventually(found, within=90, every=2, what="every selector finds something")
    # What is there is not excused, nor by an entry that is wider than it must be.
    excused = set(every).difference(gone)
    stale = {start: sorted(one for one in excused if one.startswith(start)) for start in NOT_THERE}
    wrong = {
        **{one: f"finds nothing: {', '.join(every[one][:3])}" for one in lost()},
        **{start: f"is excused, and finds {found}" for start, found in stale.items() if found},
    }
    assert not wrong, "\n".join(f"{one} {what}" for one, what in wrong.items())


def test_nothing_is_excused_that_nobody_selects() -> None:
    every = selectors()
    unused = [start for start in NOT_THERE if not any(one.startswith(start) for one in every)]
    assert unused == []
