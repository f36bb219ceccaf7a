"""What each collector makes of what its port says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airwarden.adapters.fakes import (
    FakeAirflow,
    FakeBroker,
    FakeClock,
    FakeHost,
    FakeMariaDb,
    FakeMeasuredKubernetes,
    FakePooler,
    FakeProbe,
    FakeStatsd,
    FakeWorkers,
)
from airwarden.core.errors import RejectedError, UnavailableError
from airwarden.core.platform import Component, DatabaseSession, Job, Pool, ProcessState
from airwarden.exporters.collector import Collector, PartialCollectError
from airwarden.exporters.collectors import NAMES, collectors_for
from airwarden.exporters.collectors.api_server import ApiServerCollector
from airwarden.exporters.collectors.assets import counted_from
from airwarden.exporters.collectors.broker import BrokerCollector
from airwarden.exporters.collectors.dag_health import DagHealthCollector
from airwarden.exporters.collectors.dependencies import DependenciesCollector
from airwarden.exporters.collectors.heartbeats import HeartbeatsCollector, current_jobs
from airwarden.exporters.collectors.host import HostCollector
from airwarden.exporters.collectors.machine import MachineCollector
from airwarden.exporters.collectors.pools import PoolsCollector
from airwarden.exporters.collectors.workers import REMEMBER, WorkersCollector
from airwarden.exporters.endings import Endings
from airwarden.exporters.families import Family
from airwarden.exporters.follow_runs import Run
from airwarden.exporters.labels import DagRegistry
from airwarden.exporters.reported import ReportedValues
from airwarden.exporters.sources import ClusterSources, FreshnessTarget

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
SCHEDULER = Component.SCHEDULER


def values(families: Sequence[Family], name: str) -> dict[tuple[str, ...], object]:
    return {
        labels: value
        for family in families
        if family.metric.name == f"airwarden_{name}"
        for labels, value in family.samples
    }


def partial(collector: Collector) -> Sequence[Family]:
    with pytest.raises(PartialCollectError) as caught:
        collector.collect()
    return caught.value.families


def job(id_: int, started: float, beat: float, hostname: str = "host") -> Job:
    def ago(seconds: float) -> datetime:
        return NOW - timedelta(seconds=seconds)

    return Job(id_, SCHEDULER, hostname, "running", ago(started), ago(beat))


@pytest.mark.parametrize(
    ("jobs", "stay"),
    [
        ([job(1, 500, 100)], [1]),
        ([job(1, 5000, 100), job(2, 90, 1)], [2]),
        ([job(1, 5000, 2), job(2, 90, 1)], [1, 2]),
        ([job(1, 5000, 100), job(2, 90, 1, "other")], [1, 2]),
        ([job(1, 9000, 3601, "other"), job(2, 9000, 1)], [2]),
        ([job(1, 9000, 3700, "other"), job(2, 9000, 3601)], [2]),
        ([job(1, 90_000, 86_401)], []),
    ],
    ids=[
        "silent",
        "replaced",
        "two on one host",
        "another host",
        "silent for an hour",
        "the last one silent for an hour",
        "the last one silent for a day",
    ],
)
def test_job_rows_that_stand_for_a_process(jobs: list[Job], stay: list[int]) -> None:
    assert [j.id for j in current_jobs(jobs, NOW)] == stay


def test_heartbeats_come_from_rest_without_a_database() -> None:
    clock = FakeClock(NOW)
    airflow = FakeAirflow(clock)
    alive = airflow.put_job(SCHEDULER, "one")
    late = airflow.put_job(Component.TRIGGERER, "two")
    clock.advance(61)
    airflow.beat(alive.id)
    families = HeartbeatsCollector(clock, None, airflow).collect()
    beats = values(families, "component_heartbeat_timestamp_seconds")
    assert beats == {
        ("scheduler", "one", str(alive.id)): NOW.timestamp() + 61,
        ("triggerer", "two", str(late.id)): NOW.timestamp(),
    }
    assert values(families, "component_up") == {("scheduler", "one"): 1, ("triggerer", "two"): 0}


def test_the_api_server_is_up_when_it_refuses_us_and_down_when_it_is_silent() -> None:
    airflow = FakeAirflow(FakeClock())
    collector = ApiServerCollector(airflow, "api")
    up = {("api-server", "api"): 1}
    assert values(collector.collect(), "component_up") == up
    airflow.break_with(RejectedError("token"))
    assert values(partial(collector), "component_up") == up
    airflow.break_with(UnavailableError("silent"))
    assert values(partial(collector), "component_up") == {("api-server", "api"): 0}


def test_host_processes_are_up_down_or_absent() -> None:
    clock = FakeClock(NOW)
    host = FakeHost(clock, {SCHEDULER: ["runs", "frozen", "gone", "given-up", "stopped"]})
    host.freeze("frozen")
    host.exit("gone")
    host.exit("given-up", ProcessState.FATAL)
    host.stop("stopped")
    families = HostCollector(host).collect()
    assert values(families, "host_process_up") == {
        ("scheduler", "runs"): 1,
        ("scheduler", "frozen"): 0,
        ("scheduler", "gone"): 0,
        ("scheduler", "given-up"): 0,
    }
    started = values(families, "host_process_start_timestamp_seconds")
    assert started["scheduler", "runs"] == NOW.timestamp()
    assert ("scheduler", "stopped") not in started
    states = {"running", "frozen", "exited", "fatal", "stopped"}
    assert values(families, "host_processes") == {("scheduler", state): 1 for state in states}


def test_a_silent_broker_is_down_and_has_no_depths() -> None:
    broker = FakeBroker()
    broker.put("default", 7, priority=3)
    collector = BrokerCollector(broker, ["default"])
    families = collector.collect()
    assert values(families, "broker_up") == {("redis",): 1}
    depths = values(families, "celery_queue_messages")
    assert depths == {
        ("default", "0"): 0,
        ("default", "3"): 7,
        ("default", "6"): 0,
        ("default", "9"): 0,
    }
    broker.break_with(UnavailableError("gone"))
    families = partial(collector)
    assert values(families, "broker_up") == {("redis",): 0}
    assert values(families, "celery_queue_messages") == {}


def test_workers_that_fall_silent_are_down_for_a_while() -> None:
    clock, workers = FakeClock(), FakeWorkers()
    workers.put("a", active=3, concurrency=4)
    workers.put("b", active=0, concurrency=4, queues=())
    collector = WorkersCollector(workers, clock)
    families = collector.collect()
    assert values(families, "celery_worker_up") == {("a",): 1, ("b",): 1}
    assert values(families, "celery_worker_queues") == {("a",): 1, ("b",): 0}
    assert values(families, "celery_worker_slot_utilization_ratio") == {("default",): 0.75}
    assert values(families, "cluster_utilization_ratio") == {("slots",): 0.375}

    workers.remove("b")
    clock.advance(REMEMBER)
    families = collector.collect()
    assert values(families, "celery_worker_up") == {("a",): 1, ("b",): 0}
    assert values(families, "celery_worker_tasks_active") == {("a",): 3}
    clock.advance(1)
    assert values(collector.collect(), "celery_worker_up") == {("a",): 1}


def test_a_worker_that_was_stopped_on_purpose_is_not_down() -> None:
    clock, workers = FakeClock(), FakeWorkers()
    names = {"w0": "w0@host", "w1": "w1@host"}
    host = FakeHost(clock, {Component.WORKER: list(names)}, celery_hostnames=names)
    for name in names.values():
        workers.put(name)
    collector = WorkersCollector(workers, clock, host)
    collector.collect()
    clock.advance(10)
    host.stop("w0")
    host.exit("w1")
    for name in names.values():
        workers.remove(name)
    assert values(collector.collect(), "celery_worker_up") == {("w1@host",): 0}


def test_pools_come_from_rest_without_a_database() -> None:
    airflow = FakeAirflow(FakeClock())
    airflow.put_pool(Pool("endless", -1))
    slots = values(PoolsCollector(None, airflow).collect(), "pool_slots")
    assert slots["default_pool", "total"] == slots["default_pool", "open"] == 128
    assert slots["endless", "running"] == 0
    assert not {("endless", "total"), ("endless", "open")} & set(slots)


def test_dependencies_are_asked_each() -> None:
    probes = {"billing": FakeProbe(), "mail": FakeProbe(up=False)}
    up = values(DependenciesCollector(probes).collect(), "dependency_up")
    assert up == {("billing",): 1, ("mail",): 0}


NET_DEV = """Inter-|   Receive                            |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs
    lo: 999 9 9 0 0 0 0 0 999 9 9 0 0 0 0 0
  eth0: 100 5 1 0 0 0 0 0 40 3 2 0 0 0 0 0
  eth1:  11 1 0 0 0 0 0 0  2 1 0 0 0 0 0 0
veth12:  77 1 7 0 0 0 0 0 77 1 7 0 0 0 0 0
"""


def test_cpu_is_the_share_since_the_time_before(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 1000 kB\nMemAvailable: 250 kB\n")
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "dev").write_text(NET_DEV)
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 1 1 1\n")
    collector = MachineCollector(tmp_path, disk=tmp_path)
    families = collector.collect()
    shares = values(families, "cluster_utilization_ratio")
    disk = shares.pop(("disk",))
    assert isinstance(disk, float)
    assert 0 < disk < 1
    assert shares == {("memory",): 0.75}
    assert values(families, "network_bytes_total") == {
        ("machine", "in"): 111,
        ("machine", "out"): 42,
    }
    assert values(families, "network_errors_total") == {("machine", "in"): 1, ("machine", "out"): 2}
    stat.write_text("cpu  130 0 120 740 110 0 0 0 0 0\n")
    shares = values(collector.collect(), "cluster_utilization_ratio")
    assert (shares["memory",], shares["cpu",]) == (0.75, 0.5)


WEEKDAYS = FreshnessTarget("a", 3600, days=frozenset(range(5)))


@pytest.mark.parametrize(
    ("updated", "now", "age_hours"),
    [
        ("2026-01-05T08:00", "2026-01-05T10:00", 2),  # a Monday
        ("2026-01-02T22:00", "2026-01-03T12:00", 2),  # Friday night to Saturday noon
        ("2026-01-02T22:00", "2026-01-05T01:00", 3),  # over the week-end
        ("2026-01-03T10:00", "2026-01-04T10:00", 0),  # within it
        ("2025-12-26T22:00", "2026-01-05T01:00", 2 + 5 * 24 + 1),  # over two
    ],
)
def test_an_age_does_not_grow_on_days_when_nothing_is_due(
    updated: str, now: str, age_hours: int
) -> None:
    then, at = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (updated, now))
    assert at - counted_from(then, at, WEEKDAYS) == timedelta(hours=age_hours)


def test_days_are_counted_in_the_targets_time_zone_over_a_clock_change() -> None:
    berlin = FreshnessTarget("a", 1, timezone="Europe/Berlin", days=frozenset({0, 5}))
    then = datetime(2026, 3, 28, 22, 30, tzinfo=UTC)  # Saturday 23:30 there
    now = datetime(2026, 3, 29, 22, 30, tzinfo=UTC)  # Monday 00:30, after a Sunday of 23 hours
    assert now - counted_from(then, now, berlin) == timedelta(hours=1)


def test_every_collector_has_its_name_in_the_list() -> None:
    clock = FakeClock()

    class NoDatabase:
        def rows(self, query: str, **parameters: object) -> Sequence[dict[str, object]]:
            raise UnavailableError(query)

        def probe(self) -> float:
            raise UnavailableError("probe")

        def sessions(self) -> Sequence[object]:
            raise UnavailableError("sessions")

    full = ClusterSources(
        "east",
        airflow=FakeAirflow(clock),
        database=NoDatabase(),  # type: ignore[arg-type]  # never answers
        broker=FakeBroker(),
        workers=FakeWorkers(),
        host=FakeHost(clock, {}),
        kubernetes=FakeMeasuredKubernetes(),
        pooler=FakePooler(),
        mariadb=FakeMariaDb(),
        statsd=FakeStatsd(),
        dependencies={"billing": FakeProbe()},
        machine=True,
        reported=ReportedValues(clock),
    )
    assert sorted(c.name for c in collectors_for(full, clock)) == sorted(NAMES)
    assert collectors_for(ClusterSources("west"), clock) == []
    for collector in collectors_for(full, clock):
        assert 0 < collector.interval < 61
        assert collector.timeout >= 5


def test_failures_in_a_row_wait_while_the_registry_knows_no_dag() -> None:
    dags = [{"dag_id": "orders", "is_paused": False, "is_stale": False, "tags": []}]

    class Database:
        def rows(self, query: str, **parameters: Any) -> Sequence[Mapping[str, Any]]:
            return dags if query == "dags" else [{"digest": len(dags)}]

        def probe(self) -> float:
            return 0.0

        def sessions(self) -> Sequence[DatabaseSession]:
            return ()

    clock = FakeClock()
    endings = Endings(clock)
    failed = Run(1, "orders", "failed", "scheduled", NOW, NOW, NOW, NOW)
    collector = DagHealthCollector(Database(), DagRegistry(Database(), (), clock), endings)
    endings.note([failed])
    name, series = "dag_consecutive_failures", ("orders", "unset", "unset")
    assert values(collector.collect(), name) == {series: 1}
    gone = dags.pop()
    clock.advance(61)
    endings.note([])
    assert values(collector.collect(), name) == {}
    dags.append(gone)
    clock.advance(61)
    endings.note([failed])
    assert values(collector.collect(), name) == {series: 2}
