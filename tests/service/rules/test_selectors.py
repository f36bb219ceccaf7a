"""Every selector of rules, dashboards and runbooks finds series in a real scrape of a filled fleet.

A name or a label's value that nothing emits makes an alert that never fires. What takes a fault, or time,
to be there is listed with its reason; nothing may be listed that is found.
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
    "ALERTS{": "an alert has to fire",
    "airwarden_actions_total{": "a remedy has to be tried",
    "airwarden_breaker_state{": "a remedy has to be tried",
    "airwarden_guard_blocks_total{": "a guard has to refuse",
    "airwarden_time_to_act_seconds_bucket{": "a remedy has to be tried",
    "airwarden_time_to_heal_seconds_bucket{": "a remedy has to help",
    "airwarden_remediator_alerts_taken{": "an alert has to be taken",
    "airwarden_series_dropped_total{": "the page has to be too long",
    "airwarden:mapped:answers{": "nothing is mapped here",
    "airwarden_api_dag_bag_cache_size{": "Airflow has to report it over StatsD",
    "airwarden_asset_freshness_sla_seconds{asset": "no asset of this fleet has a promise",
    "airwarden_asset_last_update_timestamp_seconds{asset": "no asset of this fleet has a promise",
    "airwarden_budget_left{": "a remedy has to be tried",
    "airwarden_collector_source_lag_seconds{": "there is no replica",
    'airwarden_dag_last_success_timestamp_seconds{dag_id="dag_id-1"': "somebody has to choose a DAG",
    "airwarden_dag_warnings{": "Airflow has to warn of a DAG",
    "airwarden_db_statement_seconds_total{": "the extension pg_stat_statements is not there",
    "airwarden_db_table_last_autovacuum_timestamp_seconds{": "a table has to be vacuumed, in its own time",
    "airwarden_events_total{": "somebody has to report something",
    "airwarden_incidents_total{": "an alert has to be taken",
    "airwarden_k8s_": "nothing runs in Kubernetes here",
    "airwarden_pod": "nothing runs in Kubernetes here",
    "airwarden_quota_": "nothing runs in Kubernetes here",
    "airwarden_scaler_": "nothing runs in Kubernetes here",
    "airwarden_workload_": "nothing runs in Kubernetes here",
    "airwarden_scheduler_executor_heartbeat_duration_seconds_bucket{": "Airflow has to report it over StatsD",
    "airwarden_spark_": "no Spark is watched",
    "airwarden_storm{": "there has to be a storm",
    "airwarden_stream_": "no streams are watched",
    "airwarden_task_failures_known_ratio{": "the cause of a failure has to be read",
    "airwarden_user_satisfaction_": "somebody has to report it",
    "cluster_team:airwarden_pipeline_cost_dollars:per_terabyte1d{": "somebody has to report it",
    "airwarden_canary_": "there is no canary",
    'airwarden_component_up{component="api-server"': "the api-server is asked over REST",
    "airwarden_dag_file_queue{": "Airflow has to report it over StatsD",
    "airwarden_triggerer_capacity{": "Airflow has to report it over StatsD",
    "airwarden_triggers_blocked_main_thread_total{": "Airflow has to report it over StatsD",
    "airwarden_db_replication_lag_seconds{": "there is no replica",
    "airwarden_db_slot_retained_bytes{": "there is no replica",
    "airwarden_db_scheduler_lock_held_seconds{": "another session has to hold the lock",
    "airwarden_business_revenue_": "somebody has to report it",
    "airwarden_ml_": "a DAG has to train a model",
    "airwarden_pipeline_": "somebody has to report it",
    "airwarden_quality_": "somebody has to report it",
    "airwarden_report_": "a DAG has to make a report",
    "airwarden_reported_timestamp_seconds{": "somebody has to report it",
    "alertmanager_notifications_failed_total{": "Alertmanager's own, which it serves itself",
    "cluster:airwarden_dag_runs_ended:increase1h:usual{": "takes a week",
    "cluster:airwarden_task_retries:increase30m:usual{": "takes a week",
    "cluster_operator:airwarden_operator_failures:increase1h:usual{": "takes a week",
}
#: Selectors that find something in some runs only, since the fleet's troubles are drawn anew as it lives.
BY_CHANCE = {
    "airwarden_asset_last_update_timestamp_seconds{tier": "a critical DAG's asset has to be updated",
    "airwarden_connection_failures_total{": "a task has to fail for want of a connection",
    "airwarden_dag_consecutive_failures{dag_id": "a critical DAG, or one of a name, has to fail twice",
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
    mover = Mover(database.dsn, fleet(SMALL), Pace(per_day=30 * 86_400, speed=2000, trouble=8))
    made = filled(database, session_redis, tmp_path_factory.mktemp("filled"))
    # Somebody forgets a transaction, for the selectors of idle ones.
    with psycopg.connect(database.dsn) as forgotten, made as world:
        forgotten.execute("SELECT 1")
        eventually(
            lambda: world.prometheus.query("airwarden_dag_runs_finished_total"),
            within=60,
            what="a scrape",
        )
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


def test_every_selector_finds_series_but_those_that_take_a_fault(prometheus: Prometheus) -> None:
    every = selectors()
    assert len(every) > 200
    gone = list(every)

    def lost() -> list[str]:
        return sorted(one for one in gone if not one.startswith((*NOT_THERE, *BY_CHANCE)))

    def found() -> bool:
        gone[:] = missing(prometheus, gone)
        return not lost()

    with suppress(AssertionError):
        eventually(found, within=60, every=2, what="every selector finds something")
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
