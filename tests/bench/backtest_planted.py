"""Six incidents planted into the fleet's thirty days: are they told of, once each, and nothing else?

`python tests/bench/backtest_planted.py [FACTOR]` fills a fleet (kept between runs), plants a failure burst in one
team, a scheduler that stands still and data that grow old into its history, and a queue flood, a connection leak
and a lost worker into blocks of Prometheus; then replays it all at half, once and twice their size, by the settings and
objectives that come with Airwarden and by the promises that the fleet's teams make. At full size of the fleet the tables
go to docs/reference/benchmarks.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import child
from bench.fleet.page import BACKTEST_HEADING, write_section
from bench.fleet.shape import Shape
from bench.fleet.store import fleet_server, kept
from support.monitoring import Prometheus
from support.postgres import ROOT, Database

DAYS = 30
HOUR, DAY = 3600.0, 86_400.0


@dataclass(frozen=True)
class Planted:
    """One incident: days before the end, seconds that it lasts, and what tells of it."""

    name: str
    days_ago: float
    seconds: float
    alerts: tuple[str, ...]
    labels: dict[str, str]


def incidents(watched: str, end: float) -> list[Planted]:
    # From a Tuesday's beginning on: at a weekend what runs each hour runs ten times a day.
    tuesday = 7 + (end / DAY - 5) % 7
    return [
        Planted("failure burst in one team", 25.4, HOUR, ("AirflowTeamDagFailureRateHigh",), {"team": "team_01"}),
        Planted("scheduler stall", 21.3, 900, ("AirflowSchedulerLagHigh", "AirflowSchedulerStalled"), {}),
        Planted("queue flood", 18.6, 2400, ("AirflowTaskQueueDepthHigh",), {"queue": "etl"}),
        Planted("connection leak", 15.2, 1200, ("AirflowDatabaseConnectionsCritical",), {}),
        Planted("freshness breach", tuesday, 16 * HOUR, ("AirflowDataFreshnessBreach",), {"asset": f"dag:{watched}"}),
        Planted("worker loss", 4.4, 1200, ("AirflowWorkerDown",), {"hostname": "worker-1"}),
    ]  # fmt: skip


def plant(database: Database, end: float, size: float) -> list[Planted]:
    """Change history; return the incidents with the lengths that they have at this size."""
    # Of what its team promises nine hours, and nobody is called at night for: the profile's SLA + 50 % for an hour.
    watched = database.execute(
        "SELECT dag_id FROM dag_run JOIN dag USING (dag_id) WHERE NOT is_paused AND NOT is_stale"
        " AND dag_id IN (SELECT dag_id FROM dag_tag WHERE name = 'sla:9h')"
        " AND dag_id IN (SELECT dag_id FROM dag_tag WHERE name = 'tier:high')"
        " AND dag_id NOT IN (SELECT dag_id FROM dag_version WHERE version_number > 1)"
        " GROUP BY dag_id ORDER BY count(*) DESC, dag_id LIMIT 1"
    )[0][0]
    burst, stall, _, _, stale, _ = found = [
        Planted(p.name, p.days_ago, p.seconds * (size if p.name in _LONGER else 1), p.alerts, p.labels)
        for p in incidents(watched, end)
    ]  # fmt: skip
    window = "BETWEEN to_timestamp(%s) AND to_timestamp(%s)"
    begin = end - burst.days_ago * DAY
    database.execute(
        f"UPDATE dag_run SET state = 'failed' WHERE dag_id LIKE 'team_01.%%' AND end_date {window}"
        " AND hashint8extended(id, 7) & 1023 < %s",
        begin, begin + burst.seconds, round(1024 * min(1.0, 0.5 * size)),
    )  # fmt: skip
    begin = end - stall.days_ago * DAY
    database.execute(
        f"""UPDATE dag_run SET created_at = t.at, queued_at = t.at, start_date = t.at + interval '1 s',
              end_date = end_date + (t.at - run_after)
            FROM (SELECT id AS i, to_timestamp(%s) + (id %% 20) * interval '1 s' AS at FROM dag_run) AS t
            WHERE t.i = id AND run_after {window}""",
        begin + stall.seconds, begin, begin + stall.seconds,
    )  # fmt: skip
    begin = end - stale.days_ago * DAY
    database.execute(
        f"UPDATE dag_run SET state = 'failed' WHERE dag_id = %s AND end_date {window}",
        watched, begin, begin + stale.seconds,
    )  # fmt: skip
    return found


#: Of these the length is scaled, of the others how bad they are.
_LONGER = ("scheduler stall", "freshness breach", "worker loss")


def _up(number: int, lost: Planted, end: float) -> Callable[[float], float]:
    begin = end - lost.days_ago * DAY
    return lambda at: float(not (number == 1 and begin <= at < begin + lost.seconds))


def samples(end: float, size: float, planted: list[Planted]) -> Iterator[str]:
    """Yield infrastructure series as OpenMetrics, one sample a minute."""
    flood, leak, lost = planted[2], planted[3], planted[5]

    def during(what: Planted, at: float) -> bool:
        begin = end - what.days_ago * DAY
        return begin <= at < begin + what.seconds

    series: list[tuple[str, str, Callable[[float], float]]] = [
        ("airwarden_celery_queue_messages", 'queue="etl"', lambda t: 2000 * size if during(flood, t) else 50),
        ("airwarden_db_connection_utilization_ratio", "", lambda t: min(1.0, 0.5 + 0.48 * size) if during(leak, t) else 0.5),
        *(
            ("airwarden_celery_worker_up", f'hostname="worker-{n}"', _up(n, lost, end))
            for n in range(4)
        ),
    ]  # fmt: skip
    for name in dict.fromkeys(entry[0] for entry in series):
        yield f"# TYPE {name} gauge"
        for other, labels, value in series:
            if other != name:
                continue
            own = ",".join(filter(None, ['cluster="default"', labels]))
            for minute in range(DAYS * 1440 + 1):
                at = end - DAYS * DAY + 60 * minute
                yield f"{name}{{{own}}} {value(at):g} {at:.0f}"
    yield "# EOF"


@contextmanager
def measured(end: float, size: float, planted: list[Planted]) -> Iterator[Prometheus]:
    """A Prometheus that has those series as blocks."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "series.om").write_text("\n".join(samples(end, size, planted)) + "\n")
        subprocess.run(
            ["promtool", "tsdb", "create-blocks-from", "openmetrics",
             "--max-block-duration=744h", "series.om", "data"],
            cwd=folder, check=True, capture_output=True,
        )  # fmt: skip
        (folder / "prometheus.yml").write_text("{}\n")
        server = Prometheus(folder, "--storage.tsdb.retention.time=400d")
        try:
            yield server
        finally:
            server.stop()


def backtest(dsn: str, prometheus: str, end: float, planted: list[Planted]) -> dict[str, Any]:
    """Run the command; returns its JSON and how long it took."""
    listed = [
        {
            "name": p.name, "began": _text(end - p.days_ago * DAY),
            "ended": _text(end - p.days_ago * DAY + p.seconds), "alerts": list(p.alerts), "labels": p.labels,
        }
        for p in planted
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "incidents.yaml"
        file.write_text(json.dumps({"incidents": listed}))
        ended = child.run(
            [ROOT / ".venv/bin/airwarden", "backtest", "--no-tasks", "--no-grid", "--until", _text(end),
             "--days", str(DAYS), "--prometheus", prometheus, "--incidents", str(file), "--output", "json"],
            Path(folder), {**os.environ, "AIRWARDEN_BACKTEST_DSN": dsn},
        )  # fmt: skip
    return {**json.loads(ended.printed), "took": ended}


def _text(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def main() -> int:
    shape = Shape(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
    right, reports = True, dict[float, dict[str, Any]]()
    with fleet_server() as server:
        template = kept(server, shape, print)
        for size in (1.0, 0.5, 2.0):
            database = Database("planted", server.port)
            server.drop(database)
            server.create(database.name, template.name)
            # What was open when the fleet was filled never goes on: the replay ends before it.
            end = float(database.execute(
                "SELECT floor(extract(epoch FROM min(run_after) FILTER (WHERE state IN ('queued', 'running'))) / 60) * 60"
                " FROM dag_run")[0][0])  # fmt: skip
            planted = plant(database, end, size)
            with measured(end, size, planted) as prometheus:
                report = backtest(database.dsn, prometheus.url, end, planted)
            report["latency"] = latency(database)
            server.drop(database)
            reports[size] = report
            right &= show(report, size)
    if shape.factor == 1.0:
        write_section(BACKTEST_HEADING, section(reports))
    return 0 if right else 1


def latency(database: Database) -> float:
    """Return the seconds within which 95 of 100 runs started after they were due."""
    return float(database.execute(
        "SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM start_date - run_after)) FROM dag_run"
    )[0][0])  # fmt: skip


def section(reports: dict[float, dict[str, Any]]) -> str:
    """Return what the page says of the replays."""
    full = reports[1.0]
    lines = [
        BACKTEST_HEADING, "",
        f"Written by `tests/bench/backtest_planted.py` on 2 cores, load average {os.getloadavg()[0]:.1f}: six incidents",
        f"planted into thirty days of 15,000 DAGs ({full['runs']:,} runs), with an infrastructure's series out of Prometheus;",
        "the database and Prometheus on the same machine, no grid, no task attempts. What lasts longer than Alertmanager's",
        "`repeat_interval` of four hours is told again. Everything is judged by default: the profile's thresholds, and the",
        "objectives of scheduling latency (95 % within three seconds; this fleet keeps",
        f"{full['latency']:.1f} s), of DAGs that succeed (98 %) and of freshness. Of critical DAGs, and of the important ones",
        "that run several times a day, teams promise what two failed runs in a row do not break, at a weekend either: nine",
        "hours of an hourly one, three days of one that runs four times a day, six of a daily one, which may rest at a weekend.",
        "A bad deploy is taken back after four hours, before it breaks one.", "",
        "| size of what is planted | told of, once each | missed | other pages | naively, for each team alone |"
        " seconds | of a processor | MB |",
        "|---:|---:|---|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    for size, report in sorted(reports.items()):
        told = [found["told"] for found in report["incidents"]]
        missed = [f["incident"]["name"] for f in report["incidents"] if not f["told"]]
        others = sum(p["kind"] == "page" and not p["incident"] for p in report["pages"])
        lines.append(
            f"| {size:g} | {told.count(1)} of {len(told)} | {', '.join(missed) or '–'} | {others} |"
            f" {report['naive']} | {report['took'].seconds:.1f} | {report['took'].processor:.1f} |"
            f" {report['took'].memory:.0f} |"
        )
    return "\n".join(lines)


def show(report: dict[str, Any], size: float) -> bool:
    """Print one replay; return whether it is as it has to be at full size."""
    others = [page for page in report["pages"] if not page["incident"]]
    took = report["took"]
    print(
        f"\nsize {size:g}: {report['runs']} runs, {took.seconds:.1f} s, {took.processor:.1f} of a processor, {took.memory:.0f} MB;"
        f" 95 % of the runs started within {report['latency']:.1f} s"
    )
    for found in report["incidents"]:
        name, told = found["incident"]["name"], found["told"]
        after = f"after {found['after'] / 60:.0f} min by {found['by']}" if told else "missed"
        print(f"  {name:28} {told} notification(s) {after}")
    print(f"  others: {len([p for p in others if p['kind'] == 'page'])} pages, "
          f"{len([p for p in others if p['kind'] == 'message'])} messages; "
          f"naively split by team: {report['naive']} pages")  # fmt: skip
    for page in others:
        print(f"    {page['kind']} {page['alert']} {page['labels']}")
    for tight in report["tight"]:
        print(f"    a promise that one failed run breaks: {tight}")
    print(f"  not judged: {sorted(report['not_judged'])}")
    if size != 1.0:
        return True
    once = all(found["told"] == 1 for found in report["incidents"])
    return once and not report["tight"] and not any(page["kind"] == "page" for page in others)


if __name__ == "__main__":
    sys.exit(main())
