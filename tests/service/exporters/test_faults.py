"""The whole exporter while one of its sources is at fault: that one's values age, all others stay fresh.

Real PostgreSQL, Redis and adapters; intervals and deadlines are short, so that a fault of seconds stands for
one of minutes. The long forms are `make reliability`'s.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import psycopg
import pytest

from airwarden.adapters.airflow import AirflowRest
from airwarden.adapters.broker_redis import RedisBroker
from airwarden.adapters.clock import SystemClock
from airwarden.adapters.metadata_database import PostgresMetadata
from airwarden.exporters import ClusterSources, Exporter, ExporterConfig, Timing
from airwarden.exporters.collectors import NAMES
from support.airflow_rows import AirflowRows
from support.eventually import eventually, holds_for
from support.fault_proxy import FaultProxy, refuse
from support.postgres import Database, PostgresServer
from support.proxy import FreezableProxy
from support.redis import RedisServer

#: Seconds between two collects, that each may take, that a query may take, and after which a value is old.
INTERVAL, TIMEOUT, STATEMENT, OLD = 0.5, 4.0, 1.0, 4.0
#: Seconds between two renderings at most, and what one may take.
PAGE = 6.0
#: Seconds that `/metrics` may take, on a machine that runs other tests beside.
FAST = 0.5
#: The collectors that read the metadata database, and those that read its unfinished tasks.
OF_DATABASE = {
    "celery_tasks", "consistency", "dag_runs", "database", "database_activity",
     "database_statements", "database_tables", "deadlines", "deployments",
    "heartbeats", "late_runs", "parsing", "pools", "scheduler_lag", "task_events", "task_instances",
    "triggers", "waiting",
}  # fmt: skip
#: Those that need no more of it than what others keep for a minute (labels, runs that ended), or nothing
#: where nothing happened.
OF_WHAT_IS_KEPT = frozenset({"assets", "canaries", "dags", "dag_health", "task_failures"})


class Token:
    """A token that nobody asks for here."""

    def token(self) -> str:
        return "token"

    def refused(self, token: str) -> bool:
        return False


class Rig:
    """A whole exporter over sources that a test may break."""

    def __init__(self, airflow: Database, stack: ExitStack) -> None:
        self.airflow = airflow
        self.proxy = FreezableProxy(airflow.port)
        stack.callback(self.proxy.close)
        dsn = airflow.dsn.replace(f":{airflow.port}/", f":{self.proxy.port}/")
        database = PostgresMetadata(dsn, statement_timeout=STATEMENT, connect_timeout=2)
        database.open()
        stack.callback(database.close)
        self.redis = RedisServer()
        stack.callback(self.redis.stop)
        broker = RedisBroker(self.redis.url, timeout=0.5)
        stack.callback(broker.close)
        cluster = ClusterSources("east", database=database, broker=broker, machine=True)
        timing = Timing(interval=INTERVAL, timeout=TIMEOUT)
        config = ExporterConfig(port=0, timings=dict.fromkeys(NAMES, timing))
        exporter = Exporter([cluster], config, SystemClock())
        exporter.start()
        stack.callback(exporter.stop)
        self.url = f"http://127.0.0.1:{exporter.port}"
        self.slowest = 0.0
        eventually(lambda: httpx.get(f"{self.url}/readyz").status_code == 200, within=30)

    def samples(self) -> dict[str, float]:
        """What is served now; how long that took is noted."""
        answer = httpx.get(f"{self.url}/metrics", timeout=10)
        self.slowest = max(self.slowest, answer.elapsed.total_seconds())
        pairs = (line.rsplit(" ", 1) for line in answer.text.splitlines() if line[:1] != "#")
        return {name: float(value) for name, value in pairs}

    def old(self) -> set[str]:
        """The collectors whose last success lies too far back, beside the latest of anybody's.

        The page is as old as its rendering: on a busy machine some seconds, for all of them alike.
        """
        last = "airwarden_collector_last_success_timestamp_seconds"
        ends = {
            name.split('collector="')[1].rstrip('"}'): at
            for name, at in self.samples().items()
            if name.startswith(last)
        }
        latest = max(ends.values())
        assert time.time() - latest < OLD + PAGE, "nobody collects, or nobody renders"
        return {name for name, at in ends.items() if latest - at > OLD}

    def value(self, name: str) -> float | None:
        """A sample by its name and labels beside the cluster."""
        bare, _, labels = name.partition("{")
        return self.samples().get(f'{bare}{{cluster="east"{"," + labels if labels else "}"}')

    def ages_alone(
        self, wanted: set[str], seconds: float, *, also: frozenset[str] = frozenset()
    ) -> None:
        """Assert that these collectors' values become old and nobody else's do, for so long.

        Args:
            wanted: Which.
            seconds: How long.
            also: Whose may, too.
        """
        eventually(lambda: self.old() >= wanted, within=20, what=f"{sorted(wanted)} are old")
        self.stays_fresh(set(NAMES) - wanted - also, seconds)

    def stays_fresh(self, wanted: set[str], seconds: float) -> None:
        """Assert that none of these collectors' values becomes old, for so long."""
        old: set[str] = set()

        def fresh() -> bool:
            old.update(self.old() & wanted)
            return not old

        holds_for(fresh, seconds=seconds, what=lambda: f"{sorted(old)} are old")

    def recovers(self) -> None:
        """Assert that all is fresh again, and that every page was served fast."""
        eventually(lambda: not self.old(), within=30, what="all is fresh again")
        assert self.slowest < FAST


@pytest.fixture(scope="module")
def shared(postgres_server: PostgresServer) -> Iterator[Rig]:
    airflow = postgres_server.fresh("airflow")
    rows = AirflowRows(airflow)
    run = rows.run(rows.dag("orders", "tier:high"))
    rows.task(run, "work", "running")
    rows.close()
    airflow.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    with ExitStack() as stack:
        stack.callback(postgres_server.drop, airflow)
        yield Rig(airflow, stack)


@pytest.fixture
def rig(shared: Rig) -> Rig:
    eventually(lambda: not shared.old(), within=30, what="all is fresh")
    shared.slowest = 0.0
    return shared


def long(seconds: float) -> object:
    return pytest.param(seconds, marks=pytest.mark.reliability)


@pytest.mark.parametrize("seconds", [1, long(60)])
def test_the_database_goes_and_comes_back(rig: Rig, seconds: float) -> None:
    finished = "airwarden_dag_runs_finished_total"
    counted = {name for name in rig.samples() if name.startswith(finished)}
    rig.proxy.refuse()
    try:
        rig.ages_alone(OF_DATABASE, seconds, also=OF_WHAT_IS_KEPT)
        assert rig.value("airwarden_db_up") == 0
        if seconds < 60:
            assert counted <= set(rig.samples()), "the last good values stay"
    finally:
        rig.proxy.admit()
    rig.recovers()
    assert rig.value("airwarden_db_up") == 1


@pytest.mark.parametrize("seconds", [2, long(60)])
def test_a_locked_table_costs_those_who_read_it(rig: Rig, seconds: float) -> None:
    readers = {"parsing"}
    with psycopg.connect(rig.airflow.dsn) as connection:
        connection.execute("LOCK TABLE dag_warning IN ACCESS EXCLUSIVE MODE")
        rig.ages_alone(readers, seconds)
    rig.recovers()


@pytest.mark.parametrize("seconds", [2, long(60)])
def test_the_busiest_table_locked_leaves_what_does_not_need_it(rig: Rig, seconds: float) -> None:
    free = {
        "broker", "dags", "database", "database_activity", "database_statements", "deployments",
        "heartbeats", "machine", "parsing", "queries",
    }  # fmt: skip
    with psycopg.connect(rig.airflow.dsn) as connection:
        connection.execute("LOCK TABLE task_instance IN ACCESS EXCLUSIVE MODE")
        eventually(lambda: rig.old() >= {"task_instances", "dag_runs", "waiting"}, within=20)
        rig.stays_fresh(free, seconds)
    rig.recovers()


@pytest.mark.parametrize("seconds", [2, long(60)])
def test_a_query_of_30_seconds_is_cancelled_and_costs_its_collector(
    rig: Rig, seconds: float
) -> None:
    """The table becomes a view that takes its time."""
    running = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'airwarden' AND state = 'active'"
        " AND now() - query_start > make_interval(secs => %s)"
    )
    rig.airflow.execute("ALTER TABLE dag_warning RENAME TO dag_warning_table")
    rig.airflow.execute(
        "CREATE VIEW dag_warning AS SELECT t.* FROM pg_sleep(30)"
        " CROSS JOIN (SELECT dag_id, warning_type, message, timestamp FROM dag_warning_table) AS t"
    )
    try:
        rig.ages_alone({"parsing"}, seconds)
        assert rig.airflow.execute(running, 2 * STATEMENT) == [(0,)]
    finally:
        rig.airflow.execute("DROP VIEW dag_warning")
        rig.airflow.execute("ALTER TABLE dag_warning_table RENAME TO dag_warning")
    rig.recovers()


@pytest.mark.parametrize("seconds", [1, long(60)])
def test_redis_goes_and_comes_back(rig: Rig, seconds: float) -> None:
    rig.redis.child.stop()
    try:
        rig.ages_alone({"broker", "celery_tasks"}, seconds)
        assert rig.value('airwarden_broker_up{kind="redis"}') == 0
    finally:
        rig.redis.restart()
    rig.recovers()
    assert rig.value('airwarden_broker_up{kind="redis"}') == 1


def test_an_api_that_answers_500_costs_what_only_it_tells(rig: Rig) -> None:
    api = FaultProxy("http://127.0.0.1:1")
    api.on("*", "", refuse(500), times=0)
    database = PostgresMetadata(rig.airflow.dsn)
    cluster = ClusterSources(
        "east", airflow=AirflowRest(api.url, Token(), timeout=1.0), database=database
    )
    timing = Timing(interval=INTERVAL, timeout=TIMEOUT)
    config = ExporterConfig(port=0, timings=dict.fromkeys(NAMES, timing))
    exporter = Exporter([cluster], config, SystemClock())
    exporter.start()
    try:
        success = 'airwarden_collector_success{{cluster="east",collector="{}"}} {}'

        def page() -> str:
            return httpx.get(f"http://127.0.0.1:{exporter.port}/metrics", timeout=5).text

        eventually(lambda: success.format("api_server", 0) in page(), within=20)
        down = (
            'airwarden_component_up{cluster="east",component="api-server",hostname="api-server"} '
        )
        eventually(lambda: f"{down}0" in page(), within=20)
        for name in ("heartbeats", "pools", "dag_runs", "dags"):
            eventually(lambda name=name: success.format(name, 1) in page(), within=20)  # type: ignore[misc]  # a default has no type
    finally:
        exporter.stop()
        database.close()
        api.close()
