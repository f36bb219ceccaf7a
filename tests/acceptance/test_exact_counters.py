"""On a real Airflow, with retries, clears and kills, every counter equals brute-force SQL at the end.

Both ways to measure are held to it: the metadata database, and REST alone.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from urllib.parse import unquote, urlsplit

import pytest

from airwarden.adapters.airflow import AirflowRest
from airwarden.adapters.airflow_auth import PasswordToken
from airwarden.adapters.airflow_measured import AirflowMeasures
from airwarden.adapters.clock import SystemClock
from airwarden.core.platform import TaskKey
from airwarden.exporters.collectors.over_rest import RestDagRunsCollector
from airwarden.exporters.rest_feed import RestRunFeed, RestTaskFeed
from airwarden.exporters.rest_reads import RestDagRegistry
from airwarden.exporters.successes import Successes
from bench.fleet.truth import Truth
from localplatform import faults
from localplatform.layout import Platform
from support.eventually import eventually
from support.exactness import DatabaseFollower, Follower, compare
from support.postgres import Database

#: Ends of runs that the platform lives through, and clears among them.
ENDS, CLEARS = 40, 6
_PAUSE = (
    "UPDATE dag SET is_paused = true WHERE NOT is_paused AND NOT EXISTS (SELECT FROM dag_run AS r"
    " WHERE r.dag_id = dag.dag_id AND r.state IN ('running', 'queued'))"
)
_PAUSE_ALL = "UPDATE dag SET is_paused = true WHERE NOT is_paused"
#: Seconds for the runs that are open to end.
_PATIENCE = 180.0
#: Seconds without a change after which nothing moves any more: once a minute the scheduler ends the runs of
#: paused DAGs whose tasks have all ended.
_STILL = 80.0
_AWAKE = "SELECT count(*) FROM dag WHERE NOT is_paused AND NOT is_stale"
#: Tasks that a worker works on. Of one that was killed with it there is no sign of life any more.
_AT_WORK = (
    "SELECT dag_id, task_id, state, count(*), max(now() - start_date) FROM task_instance"
    " WHERE state IN ('running', 'restarting') AND last_heartbeat_at > now() - interval '60 seconds'"
    " GROUP BY 1, 2, 3"
)
#: Changes when a run or an attempt comes to something; not when it only gives a sign of life.
_COME_TO = (
    "SELECT (SELECT sum(hashtextextended(concat_ws(' ', id, state, clear_number), 0)) FROM dag_run),"
    " (SELECT sum(hashtextextended(concat_ws(' ', id, state, start_date, end_date), 0))"
    " FROM task_instance), (SELECT count(*) FROM task_instance_history)"
)


@pytest.fixture
def database(platform: Platform) -> Iterator[Database]:
    """Airflow's database, with everything unpaused and nothing left behind."""
    url = urlsplit(platform.postgres.admin_dsn_file.read_text().strip())
    database = Database(
        platform.postgres.database, platform.postgres.port, url.username or "", unquote(url.password or "")
    )  # fmt: skip
    paused = database.execute("SELECT dag_id FROM dag WHERE is_paused")
    yield database
    database.execute("DROP SCHEMA IF EXISTS truth CASCADE")
    database.execute("UPDATE dag SET is_paused = dag_id = ANY(%s)", [row[0] for row in paused])
    faults.undo_all(platform)


class RestFollower(Follower):
    """Follows over REST alone."""

    def __init__(self, platform: Platform, interval: float) -> None:
        access, clock = platform.airflow, SystemClock()
        tokens = PasswordToken(
            access.url, access.user, lambda: access.password_file.read_text().strip()
        )
        airflow = AirflowMeasures(access.url, tokens, rate=50.0, timeout=20.0)
        registry = RestDagRegistry(airflow, (), clock)
        registry.sweep()
        feeds = RestRunFeed(airflow, clock), RestTaskFeed(airflow, clock)
        collector = RestDagRunsCollector(*feeds, registry, clock, Successes(clock))
        super().__init__(collector, registry, interval)


def clear_ended_runs(platform: Platform, database: Database, followers: Sequence[Follower]) -> None:
    """Clear all tasks of some runs that ended well, and that everybody has seen to end.

    A run that ends and is cleared between two looks is not seen to end: nothing in Airflow keeps its state.
    """
    ((now,),) = database.execute("SELECT clock_timestamp() - interval '10 seconds'")
    for follower in followers:
        follower.catch_up(within=240)
    access = platform.airflow
    tokens = PasswordToken(
        access.url, access.user, lambda: access.password_file.read_text().strip()
    )
    rest = AirflowRest(access.url, tokens, timeout=20.0)
    runs: defaultdict[tuple[str, str], list[TaskKey]] = defaultdict(list)
    for dag_id, run_id, task_id, map_index in database.execute(
        "SELECT t.dag_id, t.run_id, t.task_id, t.map_index FROM task_instance AS t"
        " JOIN (SELECT dag_id, run_id FROM dag_run WHERE state = 'success' AND run_type = 'scheduled'"
        " AND end_date < %s ORDER BY id DESC LIMIT %s) AS r USING (dag_id, run_id)",
        now,
        CLEARS,
    ):
        runs[dag_id, run_id].append(TaskKey(dag_id, run_id, task_id, map_index))
    for keys in runs.values():
        rest.clear(keys, note="exactness")


def stand_still(database: Database) -> None:
    """Pause each DAG when none of its runs is open, and wait until nothing moves any more.

    What is still to be done of an open run stays so while its DAG is paused, and what the scheduler alone
    ends of it (skips, fails with what came before) is sure to be counted when the run ends. Some of Airflow's
    examples wait for what never comes: those are paused as they are.
    """
    begun = time.monotonic()

    def at_rest() -> bool:
        database.execute(_PAUSE if time.monotonic() < begun + _PATIENCE else _PAUSE_ALL)
        return database.execute(_AWAKE) == [(0,)]

    eventually(at_rest, within=_PATIENCE + 30, every=1.0, what="every DAG is paused")

    def idle() -> bool:
        assert database.execute(_AT_WORK) == []
        return True

    # What was queued when its DAG was paused is still worked on: a busy machine takes minutes.
    eventually(idle, within=600, every=2.0, what="no task runs")
    since = time.monotonic()
    seen = database.execute(_COME_TO)

    def still() -> bool:
        nonlocal since, seen
        now = database.execute(_COME_TO)
        if now != seen or database.execute(_AT_WORK):
            since, seen = time.monotonic(), now
        return time.monotonic() - since > _STILL

    eventually(still, within=300, every=2.0, what="nothing moves any more")


@pytest.mark.reliability
@pytest.mark.timeout(2400)
def test_every_counter_equals_brute_force_after_retries_clears_and_kills(
    platform: Platform, database: Database
) -> None:
    # What ends between the beginnings of the three would be known to some of them only.
    awake = [row[0] for row in database.execute("SELECT dag_id FROM dag WHERE NOT is_paused")]
    stand_still(database)
    truth = Truth(database)
    follower, over_rest = DatabaseFollower(database, 1.0), RestFollower(platform, 2.0)

    database.execute("UPDATE dag SET is_paused = false WHERE dag_id = ANY(%s)", awake)

    def ends() -> int:
        return truth.runs().total()

    faults.flood(platform, tasks=40, seconds=0.5)
    with faults.dependency_outage(platform):  # retries
        eventually(lambda: truth.attempts(), within=240, what="attempts end")
        eventually(
            lambda: any(state == "up_for_retry" for state, _, _ in truth.attempts()),
            within=240,
            what="an attempt is to be retried",
        )
    clear_ended_runs(platform, database, (follower, over_rest))
    worker = next(p.name for p in platform.programs if "worker" in p.name)
    faults.kill(platform, worker, tree=True)
    eventually(lambda: ends() >= ENDS // 2, within=600, what="runs end")
    clear_ended_runs(platform, database, (follower, over_rest))
    eventually(lambda: ends() >= ENDS, within=600, what="more runs end")

    stand_still(database)
    families, rest_families = follower.end(), over_rest.end()
    ended, attempts = compare(truth, follower, families)
    assert ended.total() >= ENDS
    assert {state for state, *_ in attempts} >= {"success", "up_for_retry"}
    compare(truth, over_rest, rest_families)
