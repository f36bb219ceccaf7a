"""5,000 DAGs of one team fail at once: at most one page and one Slack message a grouping interval.

Real PostgreSQL, exporter, Prometheus and Alertmanager; people are told by Alertmanager, or by a real
remediator with the shipped playbooks. Every time of the rules and of Alertmanager is a sixtieth of what is
built by default: a second stands for a minute.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from airwarden.adapters.clock import SystemClock
from airwarden.adapters.metadata_database import PostgresMetadata
from airwarden.cli.outputs import rule_config
from airwarden.core.durations import format_duration, parse_duration
from airwarden.core.settings import parse
from airwarden.core.thresholds import parse_threshold
from airwarden.exporters import ClusterSources, Exporter, ExporterConfig
from airwarden.rules.build import build
from airwarden.rules.catalogue import resolve
from airwarden.rules.config import AlertmanagerTiming, AlertOverride, RuleConfig
from support.airflow_rows import AirflowRows
from support.endpoints import ServedEndpoints, endpoints
from support.eventually import eventually
from support.monitoring import Alertmanager, Prometheus
from support.postgres import PostgresServer
from support.programs import airwarden, answers
from support.servers import free_port

__all__ = ["endpoints"]

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(300)]

DAGS, OTHERS = 5_000, 2_000
MINUTE = timedelta(seconds=1)
#: Makes rows like one that is there.
_LIKE = """
INSERT INTO {table} SELECT (jsonb_populate_record(one, {changes})).*
FROM {table} AS one, generate_series(1, %s) AS n WHERE one.dag_id = %s
"""


#: What our own programs take is not sixty times as fast: these would tell of that.
_OF_ITS_PACE = {
    "AirflowExporterDown", "AirwardenAlertNotTaken", "AirwardenRemediatorDown", "AirwardenChatNotDelivered",
}  # fmt: skip
_SETTINGS = """\
clusters:
  - name: default
    airflow: {{url: "http://127.0.0.1:1", auth: {{token_file: token}}}}
    metadata_database: {{dsn_file: dsn}}
teams:
  growth: {{slack_channel: "#growth"}}
prometheus: {{scrape_interval: 1s, evaluation_interval: 1s}}
exporter: {{listen: "127.0.0.1:{exporter}"}}
alertmanager: {{url: "http://127.0.0.1:{alertmanager}"}}
remediator:
  listen: 127.0.0.1:{remediator}
  webhook_token_file: token
  api_token_file: token
  journal: {{url: "sqlite:///journal.db"}}
  mode: auto
playbooks:
  pipeline-owner: {{page: {{after: 5s}}}}
  human-only: {{page: {{after: 5s}}}}
  error-budget: {{page: {{after: 5s}}}}
notifications:
  slack: {{token_file: slack, base_url: "{told}/api", default_channel: "#airflow"}}
  pagerduty: {{routing_key_file: pager, events_url: "{told}/v2/enqueue"}}
"""


#: What nobody takes for so long is not taken: scrapes and loops of a busy machine are late by seconds.
_UNHEARD = timedelta(seconds=15)


def scaled(duration: timedelta) -> timedelta:
    return max(timedelta(seconds=1), duration / 60) if duration else duration


def quick(built: RuleConfig) -> RuleConfig:
    """The rules and the routing as they are by default, sixty times as fast."""
    timing = built.timing
    return replace(
        built,
        timing=replace(timing, **{f.name: scaled(getattr(timing, f.name)) for f in fields(timing)}),
        overrides={
            context.name: AlertOverride(
                threshold=parse_threshold(f"for {format_duration(scaled(context.hold))}")
            )
            for context in resolve(built).all()
            if context.hold and context.name not in _OF_ITS_PACE
        }
        | {
            name: AlertOverride(hold=_UNHEARD)
            for name in ("AirwardenAlertNotTaken", "AirwardenRemediatorDown")
        },
    )


def sooner(text: str) -> str:
    """Evaluate the groups that have an interval of their own sixty times as often, too."""
    document = yaml.safe_load(text)
    for group in document["groups"]:
        if "interval" in group:
            interval = scaled(parse_duration(group["interval"]))
            group["interval"] = format_duration(interval)
    return yaml.safe_dump(document, sort_keys=False)


def platform(rows: AirflowRows) -> None:
    """Let a large team and a few others have DAGs, one of twenty critical, each with an open run."""
    for team, number in (("growth", DAGS), ("finance", OTHERS)):
        first = rows.dag(f"{team}.0", f"team:{team}", "tier:medium", "type:etl")
        rows.run(first)
        for table, changes in (
            ("dag", "jsonb_build_object('dag_id', %s || '.' || n)"),
            ("dag_tag", "jsonb_build_object('dag_id', %s || '.' || n)"),
            (
                "dag_run",
                "jsonb_build_object('dag_id', %s || '.' || n, 'id', one.id + n, 'run_id', 'r' || n)",
            ),
        ):
            rows.connection.execute(
                _LIKE.format(table=table, changes=changes), [team, number - 1, first]
            )
        rows.connection.execute(
            "SELECT setval(pg_get_serial_sequence('dag_run', 'id'), (SELECT max(id) FROM dag_run))"
        )
    rows.connection.execute(
        "UPDATE dag_tag SET name = 'tier:critical' WHERE name LIKE 'tier:%%' AND dag_id LIKE '%%.%%7'"
    )


def fail(rows: AirflowRows) -> None:
    """End every open run: those of the large team failed, the others are well."""
    rows.connection.execute(
        "UPDATE dag_run SET end_date = now(), state ="
        " CASE WHEN dag_id LIKE 'growth.%%' THEN 'failed' ELSE 'success' END"
    )


class Heard:
    """When people were told what; a page of the same incident again, or a message changed, is no new one."""

    def __init__(self, served: ServedEndpoints) -> None:
        self._served = served
        self._seen = 0
        self.pages: list[tuple[float, str, str]] = []
        self.chats: list[tuple[float, str]] = []

    def look(self) -> None:
        entries = self._served.record.entries[self._seen :]
        self._seen += len(entries)
        now = time.monotonic()
        for entry in entries:
            body = entry["body"]
            if entry["service"] == "pagerduty" and body["event_action"] == "trigger":
                if body["dedup_key"] not in {key for _, key, _ in self.pages}:
                    self.pages.append((now, body["dedup_key"], body["payload"]["summary"]))
            elif entry["path"] == "/api/chat.postMessage" and not body.get("thread_ts"):
                title = body.get("text") or body["attachments"][0]["title"]
                self.chats.append((now, title))


@dataclass(frozen=True)
class Told:
    """A running installation, and what people hear of it; how many pages one team's burst is."""

    rows: AirflowRows
    heard: Heard
    prometheus: Prometheus
    pages: int


@pytest.fixture(params=["by Alertmanager", "by the remediator"])
def told(
    request: pytest.FixtureRequest,
    postgres_server: PostgresServer,
    endpoints: ServedEndpoints,
    tmp_path: Path,
) -> Iterator[Told]:
    airflow = postgres_server.fresh("airflow")
    rows = AirflowRows(airflow)
    platform(rows)
    database = PostgresMetadata(airflow.dsn)
    exporter = Exporter(
        [ClusterSources("default", database=database)], ExporterConfig(port=0), SystemClock()
    )
    exporter.start()
    for name, secret in {
        "token": "t" * 32, "dsn": airflow.dsn, "slack": "xoxb-1", "pager": "0" * 32,
    }.items():  # fmt: skip
        (tmp_path / name).write_text(secret)
    ports = {"alertmanager": free_port(), "remediator": free_port(), "exporter": exporter.port}
    text = _SETTINGS.format(told=endpoints.url, **ports)
    (tmp_path / "airwarden.yaml").write_text(text)
    settings = parse(text, source="airwarden.yaml", environ={}, base=tmp_path)
    config = rule_config(settings)
    if request.param == "by Alertmanager":
        config = replace(config, remediator=None, remediators=())
    files = build(quick(config))
    for path, content in files.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(sooner(content) if "/rules/" in path else content, encoding="utf-8")
    with ExitStack() as stack:
        stack.callback(postgres_server.drop, airflow)
        for close in (rows.close, database.close, exporter.stop):
            stack.callback(close)
        alertmanager = Alertmanager(
            tmp_path / "alertmanager",
            files["alertmanager/alertmanager.yml"],
            ports["alertmanager"],
        )
        stack.callback(alertmanager.stop)
        if config.remediator is not None:
            stack.enter_context(airwarden("remediator", folder=tmp_path))
            answers(f"http://127.0.0.1:{ports['remediator']}/readyz")
        prometheus = Prometheus(tmp_path / "prometheus")
        stack.callback(prometheus.stop)
        yield Told(rows, Heard(endpoints), prometheus, 0 if config.remediator is None else 1)


def test_one_page_and_one_message_a_grouping_interval(told: Told) -> None:
    prometheus, heard = told.prometheus, told.heard
    born = 'airwarden_dag_runs_finished_total{team="growth",state="failed"} == 0'
    eventually(lambda: prometheus.query(born), within=60, what="the counters are born")
    fail(told.rows)
    failed = 'sum(airwarden_dag_runs_finished_total{team="growth",state="failed"}) >= 5000'
    eventually(lambda: prometheus.query(failed), within=60, what="all have failed")

    firing: set[str] = set()
    end = time.monotonic() + 40

    def watched() -> bool:
        heard.look()
        alerts = prometheus.query('ALERTS{alertstate="firing"}')
        firing.update(one["metric"]["alertname"] for one in alerts)
        return time.monotonic() > end

    eventually(watched, within=60, every=0.1, what="forty minutes, a second each")
    story = f"pages {heard.pages}\nchats {heard.chats}\nalerts {sorted(firing)}"
    assert {"AirflowCriticalDagFailed", "AirflowTeamDagFailureRateHigh"} <= firing, story
    assert not firing & {"AirwardenAlertNotTaken", "AirwardenRemediatorDown"}, story
    # By itself the team's alert is a warning; the remediator pages the team for a burst, once.
    pages = [summary for _, _, summary in heard.pages]
    assert len(pages) == told.pages, story
    assert all("one team's DAG runs fail" in page for page in pages), story
    assert [chat for _, chat in heard.chats if "growth" in chat], story
    interval = AlertmanagerTiming().group_interval.total_seconds() / 60
    for times in ([page[0] for page in heard.pages], [chat[0] for chat in heard.chats]):
        close = [b - a for a, b in itertools.pairwise(times) if b - a < interval - 0.5]
        assert not close, story
