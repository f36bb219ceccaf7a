"""The real platform: healthy, watched by roles that may do no more than they need, and breakable."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import httpx
import psycopg
import pytest

from localplatform import celery_control, faults, lifecycle, processes
from localplatform.airflow_api import AirflowApi
from localplatform.layout import Platform
from localplatform.leak import APPLICATION_NAME
from localplatform.supervisord import Supervisor
from support.eventually import eventually

pytestmark = pytest.mark.timeout(300)


def rows(platform: Platform, role: str, query: str, *values: object) -> list[tuple[object, ...]]:
    """Run one query in a session of its own; role is observer, terminator or admin."""
    dsn = platform.dsn(getattr(platform.postgres, f"{role}_dsn_file"))
    database = {"dbname": platform.postgres.database} if role == "admin" else {}
    with psycopg.connect(dsn, connect_timeout=5, **database) as session:  # type: ignore[arg-type]
        return session.execute(query.encode(), values).fetchall()


def newest_beat(platform: Platform, job_type: str) -> datetime:
    found = rows(
        platform, "observer", "SELECT max(latest_heartbeat) FROM job WHERE job_type = %s", job_type
    )[0][0]
    assert isinstance(found, datetime)
    return found


def seconds_since_beat(platform: Platform, job_type: str) -> float:
    query = "SELECT extract(epoch FROM now() - %s)"
    return float(str(rows(platform, "observer", query, newest_beat(platform, job_type))[0][0]))


@pytest.fixture(autouse=True, scope="module")
def nobody_heals(platform: Platform) -> Iterator[None]:
    """Stop the remediator that earlier tests left running: these faults are to last."""
    supervisor = Supervisor(platform)
    running = [
        one.name
        for one in supervisor.processes()
        if one.name == "airwarden_remediator" and one.stoppable
    ]
    for name in running:
        supervisor.stop(name)
    yield
    for name in running:
        supervisor.start(name)


def test_the_fleet_runs_by_itself_and_every_light_is_green(platform: Platform) -> None:
    with AirflowApi(platform) as api:
        health = api.health()
    assert {part: found["status"] for part, found in health.items()} == dict.fromkeys(
        ("metadatabase", "scheduler", "triggerer", "dag_processor"), "healthy"
    )

    def succeeded() -> set[object]:
        found = rows(
            platform,
            "observer",
            "SELECT DISTINCT dag_id FROM dag_run WHERE state = 'success'",
        )
        return {row[0] for row in found}

    # revenue_report is two assets away from the schedule: all three DAGs and the workers work.
    expected = {"orders_extract", "orders_quality", "revenue_report", "billing_sync"}
    eventually(lambda: expected <= succeeded(), within=150, every=1, what=f"runs of {expected}")
    assert rows(platform, "observer", "SELECT filename FROM import_error") == []


def test_the_examples_of_airflow_are_there_and_paused(platform: Platform) -> None:
    query = (
        "SELECT is_paused, count(*) FROM dag WHERE bundle_name = 'example_dags' GROUP BY is_paused"
    )

    def parsed() -> bool:
        found = rows(platform, "observer", query)
        return len(found) == 1 and found[0][0] is True and int(str(found[0][1])) >= 50

    eventually(parsed, within=180, every=1, what="Airflow's examples are parsed, and paused")


@pytest.mark.parametrize(
    "table", ["variable", "connection", "xcom", "rendered_task_instance_fields"]
)
def test_the_observing_role_reads_no_secrets(platform: Platform, table: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        rows(platform, "observer", f"SELECT * FROM {table}")


def test_the_observing_role_writes_nothing(platform: Platform) -> None:
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        rows(platform, "observer", "UPDATE dag_run SET state = 'failed' RETURNING 1")


def test_the_terminating_role_reads_no_table_and_ends_one_leaking_session(
    platform: Platform,
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        rows(platform, "terminator", "SELECT * FROM dag_run")
    leaked = "SELECT pid, backend_start FROM pg_stat_activity WHERE application_name = %s"
    with faults.leaking(platform, hold_lock=False, per_second=200, leave=60):

        def sessions() -> list[tuple[object, ...]]:
            found = rows(platform, "observer", leaked, APPLICATION_NAME)
            return found if len(found) >= 3 else []

        pid, started = eventually(sessions, within=30, what="sessions leak")[0]
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND backend_start = %s"
        assert rows(platform, "terminator", end, pid, started) == [(True,)]
        eventually(
            lambda: (
                pid not in [row[0] for row in rows(platform, "observer", leaked, APPLICATION_NAME)]
            ),
            within=10,
            what="the session is gone",
        )
    eventually(lambda: not rows(platform, "observer", leaked, APPLICATION_NAME), within=10)


def test_a_leak_takes_every_ordinary_slot_and_the_schedulers_lock(platform: Platform) -> None:
    held = (
        "SELECT a.application_name, a.state FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
        " WHERE l.locktype = 'advisory' AND l.objid = 2 AND l.granted"
    )
    with faults.leaking(platform, per_second=200):
        faults.wait_exhausted(platform, seconds=30)
        assert rows(platform, "admin", held) == [(APPLICATION_NAME, "idle in transaction")]
    eventually(
        lambda: rows(platform, "observer", "SELECT 1") == [(1,)] if slots(platform) else False,
        within=30,
        what="ordinary sessions are let in again",
    )


def slots(platform: Platform) -> bool:
    used = rows(
        platform, "admin", "SELECT count(*) FROM pg_stat_activity WHERE usename = 'airflow'"
    )
    return int(str(used[0][0])) < platform.postgres.max_connections - 10


def test_a_frozen_scheduler_stops_beating_and_catches_up(platform: Platform) -> None:
    with faults.frozen(platform, "scheduler") as frozen:
        # Its last beat may still be on its way to the database when it freezes.
        eventually(lambda: seconds_since_beat(platform, "SchedulerJob") > 10, within=60, every=0.5)
        last = newest_beat(platform, "SchedulerJob")
    eventually(lambda: newest_beat(platform, "SchedulerJob") > last, within=60)
    assert frozen[0] == Supervisor(platform).process("scheduler").pid


def test_a_slow_database_is_slow_for_every_role_behind_the_proxy(platform: Platform) -> None:
    started = datetime.now().astimezone()
    with faults.database_slow(platform, 100):
        rows(platform, "observer", "SELECT 1")
        slow = (datetime.now().astimezone() - started).total_seconds()
    started = datetime.now().astimezone()
    rows(platform, "observer", "SELECT 1")
    usual = (datetime.now().astimezone() - started).total_seconds()
    # Signing in, setting up and asking are at least three requests.
    assert slow >= 0.3
    assert usual < slow


def test_a_deaf_worker_answers_and_consumes_nothing(platform: Platform) -> None:
    node = celery_control.node_name(platform, "worker_1")
    faults.deafen(platform, "worker_1")
    try:
        assert celery_control.consuming(platform, seconds=2)[node] == []
    finally:
        faults.hear_again(platform, "worker_1")
    assert celery_control.consuming(platform, seconds=2)[node] == ["default"]


def test_a_viewer_may_look_and_not_touch(platform: Platform) -> None:
    access = platform.airflow
    with httpx.Client(base_url=access.url, timeout=20) as client:
        login = {
            "username": access.viewer,
            "password": access.viewer_password_file.read_text().strip(),
        }
        token = client.post("/auth/token", json=login).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        assert client.get("/api/v2/dags").status_code == 200
        refused = client.patch("/api/v2/dags/orders_extract", json={"is_paused": True})
        assert refused.status_code == 403


def test_a_second_start_of_what_runs_changes_nothing(platform: Platform) -> None:
    before = {info.name: info.pid for info in Supervisor(platform).processes()}
    assert lifecycle.up(platform.state_dir) == platform
    after = {info.name: info.pid for info in Supervisor(platform).processes()}
    assert after == before
    listening = processes.listening(processes.of_platform(platform.state_dir))
    assert {address for address, _ in listening} == {"127.0.0.1"}
