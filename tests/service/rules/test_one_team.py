"""5,000 DAGs of one team fail at once: at most one page and one Slack message a grouping interval.

Real PostgreSQL, exporter, Prometheus and Alertmanager. Every time of the rules and of Alertmanager is a
sixtieth of what is built by default: a second stands for a minute.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from airwarden.adapters.clock import SystemClock
from airwarden.adapters.metadata_database import PostgresMetadata
from airwarden.core.durations import format_duration, parse_duration
from airwarden.core.thresholds import parse_threshold
from airwarden.exporters import ClusterSources, Exporter, ExporterConfig
from airwarden.rules.build import build
from airwarden.rules.catalogue import resolve
from airwarden.rules.config import (
    AlertmanagerTiming,
    AlertOverride,
    PagerDutyRoute,
    RuleConfig,
    SlackRoute,
    TeamRoute,
)
from support.airflow_rows import AirflowRows
from support.endpoints import ServedEndpoints, endpoints
from support.eventually import eventually
from support.monitoring import Alertmanager, Prometheus
from support.postgres import PostgresServer
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


def scaled(duration: timedelta) -> timedelta:
    return max(timedelta(seconds=1), duration / 60) if duration else duration


def quick(folder: Path, served: ServedEndpoints) -> RuleConfig:
    """The rules and the routing as they are by default, sixty times as fast."""
    base = RuleConfig(
        remediator=None,
        remediators=(),
        scrape_interval=MINUTE,
        evaluation_interval=MINUTE,
        teams=(TeamRoute("growth", "#growth"),),
        slack=SlackRoute("#airflow", webhook_url_file=str(folder / "slack")),
        pagerduty=PagerDutyRoute(str(folder / "pager"), f"{served.url}/v2/enqueue"),
    )
    timing = AlertmanagerTiming()
    return replace(
        base,
        timing=replace(timing, **{f.name: scaled(getattr(timing, f.name)) for f in fields(timing)}),
        overrides={
            context.name: AlertOverride(
                threshold=parse_threshold(f"for {format_duration(scaled(context.hold))}")
            )
            for context in resolve(base).all()
            if context.hold
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
    """When people were told what; a page of the same incident again is no new one."""

    def __init__(self, served: ServedEndpoints) -> None:
        self._served = served
        self._seen = 0
        self.pages: list[tuple[float, str]] = []
        self.chats: list[tuple[float, str]] = []

    def look(self) -> None:
        entries = self._served.record.entries[self._seen :]
        self._seen += len(entries)
        now = time.monotonic()
        known = {key for _, key in self.pages}
        for entry in entries:
            body = entry["body"]
            if entry["service"] == "pagerduty" and body["event_action"] == "trigger":
                if body["dedup_key"] not in known:
                    self.pages.append((now, body["dedup_key"]))
            elif entry["service"] == "slack-webhook":
                self.chats.append((now, body["attachments"][0]["title"]))


@pytest.fixture
def told(
    postgres_server: PostgresServer, endpoints: ServedEndpoints, tmp_path: Path
) -> Iterator[tuple[AirflowRows, Heard, Prometheus]]:
    airflow = postgres_server.fresh("airflow")
    rows = AirflowRows(airflow)
    platform(rows)
    database = PostgresMetadata(airflow.dsn)
    exporter = Exporter(
        [ClusterSources("default", database=database)], ExporterConfig(port=0), SystemClock()
    )
    exporter.start()
    (tmp_path / "slack").write_text(f"{endpoints.url}/services/T/B/x")
    (tmp_path / "pager").write_text("0" * 32)
    port = free_port()
    config = replace(
        quick(tmp_path, endpoints),
        exporters=(f"127.0.0.1:{exporter.port}",),
        alertmanagers=(f"http://127.0.0.1:{port}",),
    )
    files = build(config)
    for path, text in files.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(sooner(text) if "/rules/" in path else text, encoding="utf-8")
    alertmanager = Alertmanager(
        tmp_path / "alertmanager", files["alertmanager/alertmanager.yml"], port
    )
    prometheus = Prometheus(tmp_path / "prometheus")
    yield rows, Heard(endpoints), prometheus
    prometheus.stop()
    alertmanager.stop()
    exporter.stop()
    database.close()
    rows.close()
    postgres_server.drop(airflow)


def test_one_page_and_one_message_a_grouping_interval(
    told: tuple[AirflowRows, Heard, Prometheus],
) -> None:
    rows, heard, prometheus = told
    born = 'airwarden_dag_runs_finished_total{team="growth",state="failed"} == 0'
    eventually(lambda: prometheus.query(born), within=60, what="the counters are born")
    fail(rows)
    failed = 'sum(airwarden_dag_runs_finished_total{team="growth",state="failed"}) >= 5000'
    eventually(lambda: prometheus.query(failed), within=60, what="all have failed")

    firing: set[str] = set()
    end = time.monotonic() + 40

    def watched() -> bool:
        heard.look()
        firing.update(one["metric"]["alertname"] for one in prometheus.query("ALERTS"))
        return time.monotonic() > end

    eventually(watched, within=60, every=0.1, what="forty minutes, a second each")
    story = f"pages {heard.pages}\nchats {heard.chats}\nalerts {sorted(firing)}"
    assert {"AirflowCriticalDagFailed", "AirflowTeamDagFailureRateHigh"} <= firing, story
    assert len(heard.pages) >= 1, story
    assert len(heard.chats) >= 1, story
    interval = AlertmanagerTiming().group_interval.total_seconds() / 60
    for told_of in (heard.pages, heard.chats):
        times = [at for at, _ in told_of]
        close = [b - a for a, b in itertools.pairwise(times) if b - a < interval - 0.5]
        assert not close, story
