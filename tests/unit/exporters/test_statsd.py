"""What the collector makes of what Airflow reports."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airwarden.adapters.fakes import FakeClock, FakeMariaDb, FakePooler, FakeStatsd
from airwarden.adapters.statsd import parse
from airwarden.core.errors import UnavailableError
from airwarden.core.platform import PoolerPool, StatsdCounts
from airwarden.exporters.collector import PartialCollectError
from airwarden.exporters.collectors.mariadb import MariaDbCollector
from airwarden.exporters.collectors.pooler import PoolerCollector
from airwarden.exporters.collectors.statsd import FORGET, MAX_VALUES, StatsdCollector
from airwarden.exporters.families import Bins
from support.families import every, nonzero


class World:
    """A collector and what is reported to it."""

    def __init__(self) -> None:
        self.clock, self.statsd = FakeClock(), FakeStatsd()
        self.collector = StatsdCollector(self.statsd, self.clock)

    def report(self, *lines: str, sender: str = "10.0.0.1") -> None:
        for line in lines:
            sample = parse(line, sender)
            assert sample is not None
            self.statsd.put(sample)


def test_timers_become_histograms_in_seconds() -> None:
    world = World()
    world.report("scheduler.scheduler_loop_duration:81.8|ms")
    world.report("scheduler.scheduler_loop_duration:120|ms|@0.5", sender="10.0.0.2")
    world.report("scheduler.critical_section_duration:10.1|ms")
    families = world.collector.collect()
    assert every(families, "scheduler_loop_duration_seconds") == {
        ("10.0.0.1",): 1,
        ("10.0.0.2",): 2,
    }
    totals = [
        value.total
        for family in families
        if family.metric.name.endswith("loop_duration_seconds")
        for _, value in family.samples
        if isinstance(value, Bins)
    ]
    assert sum(totals) == pytest.approx(0.3218)
    assert nonzero(families, "scheduler_critical_section_duration_seconds") == {("10.0.0.1",): 1}


def test_counters_grow_by_what_a_sampled_line_stands_for() -> None:
    world = World()
    families = world.collector.collect()
    assert every(families, "orphaned_tasks_total") == {("adopted",): 0, ("cleared",): 0}
    assert every(families, "dag_processor_timeouts_total") == {(): 0}
    for _ in range(2):
        world.report(
            "scheduler.orphaned_tasks.adopted:2|c",
            "scheduler.critical_section_busy:1|c",
            "dag_processing.processor_timeouts:1|c|@0.1",
            "celery.task_timeout_error:1|c",
            "dag.some.thing:1|c",
        )
        families = world.collector.collect()
    assert nonzero(families, "orphaned_tasks_total") == {("adopted",): 4}
    assert nonzero(families, "scheduler_critical_section_busy_total") == {("10.0.0.1",): 2}
    assert nonzero(families, "dag_processor_timeouts_total") == {(): 20}
    assert nonzero(families, "celery_publish_failures_total") == {("timeout",): 2}


def test_gauges_are_summed_over_schedulers_and_forgotten_when_nobody_reports_them() -> None:
    world = World()
    world.report("executor.open_slots.CeleryExecutor:5|g", "executor.open_slots:99|g")
    world.report("executor.open_slots.CeleryExecutor:3|g", sender="10.0.0.2")
    world.report("triggers.running.vm:40|g", "triggerer.capacity_left.vm:960|g")
    world.report("dag_processing.file_path_queue_size:7|g")
    families = world.collector.collect()
    assert every(families, "executor_slots") == {("CeleryExecutor", "open"): 8}
    assert every(families, "triggerer_capacity") == {("vm",): 1000}
    assert every(families, "dag_file_queue") == {(): 7}
    world.clock.advance(FORGET)
    world.report("executor.open_slots.CeleryExecutor:+1|g")
    families = world.collector.collect()
    assert every(families, "executor_slots") == {("CeleryExecutor", "open"): 9}
    world.clock.advance(1)
    families = world.collector.collect()
    assert every(families, "executor_slots") == {("CeleryExecutor", "open"): 6}
    assert every(families, "dag_file_queue") == {}


def test_senders_and_names_are_bounded() -> None:
    world = World()
    for n in range(MAX_VALUES + 5):
        world.report("scheduler.scheduler_loop_duration:1|ms", sender=f"10.0.0.{n}")
        world.report(f"executor.open_slots.Executor{n}:1|g", sender="10.0.0.0")
    families = world.collector.collect()
    loops = every(families, "scheduler_loop_duration_seconds")
    assert len(loops) == MAX_VALUES + 1
    assert loops["_overflow",] == 5
    assert len(every(families, "executor_slots")) == MAX_VALUES


def test_what_was_lost_is_told() -> None:
    world = World()
    world.statsd.told = StatsdCounts(datagrams=9, malformed=1, dropped=2, forwarded=8)
    families = world.collector.collect()
    assert every(families, "statsd_datagrams_total") == {(): 9}
    assert every(families, "statsd_forwarded_total") == {(): 8}
    assert every(families, "statsd_lost_total") == {("malformed",): 1, ("no_room",): 2}


def test_a_pooler_tells_who_waits_and_one_that_is_silent_is_down() -> None:
    pooler = FakePooler()
    pooler.put(PoolerPool("airflow/af", 40, 3, 1.5, {"active": 10, "idle": 2}))
    families = PoolerCollector(pooler).collect()
    pool = ("airflow/af",)
    assert every(families, "pgbouncer_up") == {(): 1}
    assert every(families, "pgbouncer_client_active_connections") == {pool: 40}
    assert every(families, "pgbouncer_client_waiting_connections") == {pool: 3}
    assert every(families, "pgbouncer_maxwait_seconds") == {pool: 1.5}
    assert nonzero(families, "pgbouncer_server_connections") == {
        (*pool, "active"): 10,
        (*pool, "idle"): 2,
    }
    pooler.break_with(UnavailableError("gone"))
    with pytest.raises(PartialCollectError) as caught:
        PoolerCollector(pooler).collect()
    assert every(caught.value.families, "pgbouncer_up") == {(): 0}


def test_a_mariadb_server_and_its_replica() -> None:
    mariadb = FakeMariaDb()
    mariadb.told = replace(mariadb.told, connected=30, connections_max=40, lock_waits=2)
    families = MariaDbCollector(mariadb).collect()
    assert every(families, "mariadb_connection_utilization_ratio") == {(): 0.75}
    assert every(families, "mariadb_row_lock_waits") == {(): 2}
    assert every(families, "mariadb_replicating") == {}
    mariadb.told = replace(mariadb.told, replicating=False)
    families = MariaDbCollector(mariadb).collect()
    assert every(families, "mariadb_replicating") == {(): 0}
    assert every(families, "mariadb_replication_lag_seconds") == {}
    mariadb.break_with(UnavailableError("gone"))
    with pytest.raises(PartialCollectError) as caught:
        MariaDbCollector(mariadb).collect()
    assert every(caught.value.families, "mariadb_up") == {(): 0}
