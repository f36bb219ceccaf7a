"""The `Airflow` contract: a real API server, and the fake."""

from __future__ import annotations

import itertools
import json
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airwarden.adapters.airflow import AirflowRest
from airwarden.adapters.airflow_auth import CommandToken, FileToken, PasswordToken
from airwarden.adapters.clock import SystemClock
from airwarden.adapters.fakes import FakeAirflow
from airwarden.core.errors import (
    ConflictError,
    NotFoundError,
    RejectedError,
    UnavailableError,
    UnknownOutcomeError,
)
from airwarden.core.platform import Component, Dag, Pool, TaskKey
from airwarden.core.ports import Airflow
from support.airflow_api import DAG_ID, PASSWORD, POOL, USER, VIEWER, AirflowApi
from support.servers import freeze

_RUNS = itertools.count(1)


@dataclass
class Case:
    """An Airflow with the DAG `contract`, and the ways to arrange what only Airflow's inside can."""

    airflow: Airflow
    set_state: Callable[[TaskKey, str | None], None]
    add_job: Callable[[Component, str, str], None]
    put_log: Callable[[TaskKey, list[str]], None]

    def run(self, **states: str | None) -> str:
        """Start a run, give its tasks these states, and return its id."""
        run_id = f"contract-{os.getpid()}-{next(_RUNS)}"
        self.airflow.trigger(DAG_ID, run_id=run_id, conf={})
        for task, state in states.items():
            self.set_state(TaskKey(DAG_ID, run_id, task), state)
        return run_id


def fake_case() -> Case:
    fake = FakeAirflow(SystemClock())
    fake.put_dag(Dag(DAG_ID, is_paused=False, tags=("team:ops", "tier:low")))
    fake.put_pool(Pool(POOL, 4, include_deferred=True))

    def set_state(key: TaskKey, state: str | None) -> None:
        pool = POOL if key.task_id == "second" else "default_pool"
        start = datetime.now(UTC) if state == "running" else None
        fake.put_task(key, state, pool=pool, start_date=start)

    def add_job(component: Component, hostname: str, state: str) -> None:
        fake.put_job(component, hostname, state=state)

    def put_log(key: TaskKey, events: list[str]) -> None:
        fake.put_log(key, 1, "\n".join(json.dumps({"event": one}) for one in events).encode())

    return Case(fake, set_state, add_job, put_log)


def rest(api: AirflowApi, user: str = USER, **options: float) -> AirflowRest:
    return AirflowRest(api.url, PasswordToken(api.url, user, lambda: PASSWORD), **options)  # type: ignore[arg-type]


def real_case(api: AirflowApi) -> Case:
    kinds = {Component.SCHEDULER: "SchedulerJob", Component.TRIGGERER: "TriggererJob"}

    def set_state(key: TaskKey, state: str | None) -> None:
        # A task that never ran has no start; one that did has its try.
        api.database.execute(
            "UPDATE task_instance SET state = %s, try_number = 1, max_tries = 2, updated_at = now(),"
            " start_date = CASE WHEN %s THEN now() END"
            " WHERE dag_id = %s AND run_id = %s AND task_id = %s",
            state, state == "running", key.dag_id, key.run_id, key.task_id,
        )  # fmt: skip

    def add_job(component: Component, hostname: str, state: str) -> None:
        api.database.execute(
            "INSERT INTO job (job_type, hostname, state, start_date, latest_heartbeat)"
            " VALUES (%s, %s, %s, now(), clock_timestamp())",
            kinds[component], hostname, state,
        )  # fmt: skip

    def put_log(key: TaskKey, events: list[str]) -> None:
        folder = api.home / "logs" / f"dag_id={key.dag_id}" / f"run_id={key.run_id}"
        file = folder / f"task_id={key.task_id}" / "attempt=1.log"
        file.parent.mkdir(parents=True)
        file.write_text("".join(json.dumps({"event": one}) + "\n" for one in events))

    return Case(rest(api), set_state, add_job, put_log)


@pytest.fixture(params=["fake", "real"])
def case(request: pytest.FixtureRequest) -> Case:
    if request.param == "fake":
        return fake_case()
    api: AirflowApi = request.getfixturevalue("airflow_api")
    api.database.execute("DELETE FROM job")
    api.database.execute("UPDATE slot_pool SET slots = 4 WHERE pool = %s", POOL)
    api.database.execute("UPDATE dag SET is_paused = false")
    return real_case(api)


def test_jobs_are_those_that_run_the_freshest_first(case: Case) -> None:
    case.add_job(Component.SCHEDULER, "a", "running")
    case.add_job(Component.TRIGGERER, "b", "running")
    case.add_job(Component.SCHEDULER, "gone", "success")
    jobs = case.airflow.jobs()
    assert [(j.component, j.hostname, j.state) for j in jobs] == [
        (Component.TRIGGERER, "b", "running"),
        (Component.SCHEDULER, "a", "running"),
    ]
    for job in jobs:
        assert job.latest_heartbeat is not None
        assert abs(datetime.now(UTC) - job.latest_heartbeat) < timedelta(minutes=1)


def test_health_names_the_components(case: Case) -> None:
    assert case.airflow.health()["metadatabase"] == "healthy"


def test_dags_are_found_by_any_of_the_tags(case: Case) -> None:
    assert [d.dag_id for d in case.airflow.dags()] == [DAG_ID]
    assert [d.dag_id for d in case.airflow.dags(tags=["tier:low", "nobody"])] == [DAG_ID]
    assert case.airflow.dags(tags=["nobody"]) == []
    assert case.airflow.dag(DAG_ID).tags == ("team:ops", "tier:low")
    with pytest.raises(NotFoundError):
        case.airflow.dag("nobody")


def test_the_end_of_a_log_is_read_and_a_long_one_given_up(case: Case) -> None:
    key = TaskKey(DAG_ID, case.run(first="failed"), "first")
    case.put_log(key, ["the beginning", *("x" * 1000 for _ in range(300)), "the end"])
    tail = case.airflow.log_tail(key, 1, most=1_000_000, keep=5_000)
    assert tail.whole
    assert len(tail.text) == 5_000
    assert b"the end" in tail.text
    assert b"the beginning" not in tail.text
    cut = case.airflow.log_tail(key, 1, most=100_000, keep=5_000)
    assert not cut.whole
    assert b"the end" not in cut.text
    with pytest.raises(NotFoundError):
        case.airflow.log_tail(TaskKey(DAG_ID, key.run_id, "nobody"), 1, most=1000, keep=10)


def test_pausing_is_absolute(case: Case) -> None:
    for paused in (True, True, False, False):
        case.airflow.set_paused(DAG_ID, paused=paused)
        assert case.airflow.dag(DAG_ID).is_paused is paused
    with pytest.raises(NotFoundError):
        case.airflow.set_paused("nobody", paused=True)


def pool(case: Case) -> Pool:
    return next(p for p in case.airflow.pools() if p.name == POOL)


def test_pool_slots_are_absolute_and_leave_the_rest_alone(case: Case) -> None:
    for slots in (2, 2, 0):
        case.airflow.set_pool_slots(POOL, slots)
        assert (pool(case).slots, pool(case).include_deferred) == (slots, True)
    with pytest.raises(NotFoundError):
        case.airflow.set_pool_slots("nobody", 1)
    with pytest.raises(RejectedError):
        case.airflow.set_pool_slots(POOL, -1)
    assert pool(case).slots == 0
    assert "default_pool" in {p.name for p in case.airflow.pools()}


def test_a_pool_counts_what_is_in_it(case: Case) -> None:
    before = pool(case)
    case.run(second="running")
    case.run(second="deferred")
    after = pool(case)
    assert (after.running - before.running, after.deferred - before.deferred) == (1, 1)
    assert before.open - after.open == 2


def test_a_run_is_started_once(case: Case) -> None:
    run_id = case.run()
    with pytest.raises(ConflictError):
        case.airflow.trigger(DAG_ID, run_id=run_id, conf={})
    with pytest.raises(NotFoundError):
        case.airflow.trigger("nobody", run_id="x", conf={})
    run = next(r for r in case.airflow.dag_runs(DAG_ID) if r.run_id == run_id)
    assert (run.state, run.run_type) == ("queued", "manual")


def test_runs_come_newest_first_and_by_state(case: Case) -> None:
    older, newer = case.run(), case.run()
    for dag_id in (DAG_ID, "~"):
        assert [r.run_id for r in case.airflow.dag_runs(dag_id, limit=2)] == [newer, older]
    assert case.airflow.dag_runs(DAG_ID, states=["failed"]) == []
    assert len(case.airflow.dag_runs(DAG_ID, limit=1)) == 1
    with pytest.raises(NotFoundError):
        case.airflow.dag_runs("nobody")


def test_task_instances_match_every_filter(case: Case) -> None:
    run_id = case.run(first="up_for_retry", second="restarting")

    def found(**filters: Any) -> list[str]:
        return [
            t.key.task_id for t in case.airflow.task_instances(**filters) if t.key.run_id == run_id
        ]

    assert sorted(found(states=["up_for_retry", "restarting"])) == ["first", "second"]
    assert found(states=["up_for_retry", "restarting"], pools=[POOL]) == ["second"]
    assert found(states=["up_for_retry"], pools=[POOL]) == []
    assert sorted(found(dag_ids=[DAG_ID])) == ["first", "second"]
    assert found(dag_ids=[DAG_ID], updated_after=datetime.now(UTC) + timedelta(hours=1)) == []
    assert sorted(found(updated_after=datetime.now(UTC) - timedelta(hours=1))) == [
        "first",
        "second",
    ]
    assert sorted(found(queues=["default", "gpu"])) == ["first", "second"]
    assert found(queues=["gpu"]) == []
    assert len(case.airflow.task_instances(limit=1)) == 1


def test_task_instances_that_have_started_since_are_told_from_those_that_have_not(
    case: Case,
) -> None:
    run_id = case.run(first="running", second="queued")
    hour = timedelta(hours=1)

    def found(since: datetime) -> list[str]:
        tasks = case.airflow.task_instances(started_after=since)
        return [task.key.task_id for task in tasks if task.key.run_id == run_id]

    assert found(datetime.now(UTC) - hour) == ["first"]
    assert found(datetime.now(UTC) + hour) == []


def test_one_task_instance_is_read_by_its_key(case: Case) -> None:
    run_id = case.run(first="queued")
    key = TaskKey(DAG_ID, run_id, "first")
    task = case.airflow.task_instance(key)
    assert (task.key, task.state, task.try_number, task.queue) == (key, "queued", 1, "default")
    with pytest.raises(NotFoundError):
        case.airflow.task_instance(TaskKey(DAG_ID, run_id, "nobody"))


def test_airflow_says_what_holds_a_task_back_and_nothing_of_one_that_is_queued(case: Case) -> None:
    run_id = case.run(first="scheduled", second="queued")
    first, second = (TaskKey(DAG_ID, run_id, task) for task in ("first", "second"))
    case.airflow.set_paused(DAG_ID, paused=True)
    try:
        assert any("paused" in reason for reason in case.airflow.held_back(first))
        assert list(case.airflow.held_back(second)) == []
    finally:
        case.airflow.set_paused(DAG_ID, paused=False)
    with pytest.raises(NotFoundError):
        case.airflow.held_back(TaskKey(DAG_ID, run_id, "nobody"))


def test_a_clear_gives_a_new_id_no_state_and_new_retries(case: Case) -> None:
    run_id = case.run(first="failed", second="upstream_failed")
    key, other = (TaskKey(DAG_ID, run_id, task) for task in ("first", "second"))
    before, untouched = case.airflow.task_instance(key), case.airflow.task_instance(other)

    (cleared,) = case.airflow.clear([key], note="remediator run=7 why=test")

    after = case.airflow.task_instance(key)
    assert cleared.key == key
    assert cleared.id == after.id != before.id
    assert after.state is None
    assert after.max_tries > before.try_number
    assert case.airflow.task_instance(other) == untouched


def test_several_tasks_of_a_run_are_cleared_together(case: Case) -> None:
    run_id = case.run(first="queued", second="queued")
    keys = [TaskKey(DAG_ID, run_id, task) for task in ("first", "second")]
    assert {t.key for t in case.airflow.clear(keys, note="")} == set(keys)
    assert {case.airflow.task_instance(key).state for key in keys} == {None}


def test_a_clear_refuses_what_runs_and_changes_nothing(case: Case) -> None:
    run_id = case.run(first="failed", second="running")
    keys = [TaskKey(DAG_ID, run_id, task) for task in ("first", "second")]
    before = [case.airflow.task_instance(key) for key in keys]
    with pytest.raises(ConflictError):
        case.airflow.clear(keys, note="")
    assert [case.airflow.task_instance(key) for key in keys] == before


def test_a_clear_refuses_what_is_not_exactly_there(case: Case) -> None:
    run_id = case.run(first="failed")
    key = TaskKey(DAG_ID, run_id, "first")
    before = case.airflow.task_instance(key)
    for extra in (TaskKey(DAG_ID, run_id, "nobody"), TaskKey(DAG_ID, run_id, "first", 3)):
        with pytest.raises(ConflictError):
            case.airflow.clear([key, extra], note="")
    with pytest.raises(RejectedError):
        case.airflow.clear([key, TaskKey(DAG_ID, case.run(), "first")], note="")
    with pytest.raises(RejectedError):
        case.airflow.clear([], note="")
    with pytest.raises(NotFoundError):
        case.airflow.clear([TaskKey(DAG_ID, "no-such-run", "first")], note="")
    assert case.airflow.task_instance(key) == before


# Only the real one.


def test_a_deferred_task_names_its_trigger_and_who_has_it(airflow_api: AirflowApi) -> None:
    case = real_case(airflow_api)
    key = TaskKey(DAG_ID, case.run(first="deferred"), "first")
    case.add_job(Component.TRIGGERER, "triggerer-7", "running")
    airflow_api.database.execute(
        "WITH t AS (INSERT INTO trigger (classpath, kwargs, created_date, triggerer_id)"
        " SELECT 'acme.triggers.Wait', '{}', now(), max(id) FROM job RETURNING id)"
        " UPDATE task_instance SET trigger_id = (SELECT id FROM t)"
        " WHERE dag_id = %s AND run_id = %s AND task_id = 'first'",
        key.dag_id, key.run_id,
    )  # fmt: skip
    (task,) = (t for t in case.airflow.task_instances(states=["deferred"]) if t.key == key)
    assert (task.trigger, task.triggerer) == ("acme.triggers.Wait", "triggerer-7")
    assert task.deferred_since is not None
    assert abs(datetime.now(UTC) - task.deferred_since) < timedelta(minutes=1)


def test_a_note_and_a_conf_arrive(airflow_api: AirflowApi) -> None:
    airflow = rest(airflow_api)
    run_id = f"noted-{os.getpid()}"
    airflow.trigger(DAG_ID, run_id=run_id, conf={"canary": True}, note="why")
    airflow.clear([TaskKey(DAG_ID, run_id, "first")], note="because")
    notes = airflow_api.database.execute(
        "SELECT r.conf, n.content FROM dag_run r JOIN dag_run_note n ON n.dag_run_id = r.id"
        " WHERE r.run_id = %s",
        run_id,
    )
    assert notes == [({"canary": True}, "why")]
    assert ("because",) in airflow_api.database.execute("SELECT content FROM task_instance_note")


def test_more_than_a_page_is_read(airflow_api: AirflowApi) -> None:
    airflow_api.database.execute(
        "INSERT INTO slot_pool (pool, slots, include_deferred)"
        " SELECT 'page' || n, 1, false FROM generate_series(1, 130) n"
    )
    try:
        names = [p.name for p in rest(airflow_api).pools()]
    finally:
        airflow_api.database.execute("DELETE FROM slot_pool WHERE pool LIKE %s", "page%")
    assert len([n for n in names if n.startswith("page")]) == 130
    assert len(names) == len(set(names))


def test_a_viewer_may_read_and_is_refused_what_changes(airflow_api: AirflowApi) -> None:
    viewer = rest(airflow_api, VIEWER)
    assert viewer.pools()
    with pytest.raises(RejectedError, match="403"):
        viewer.set_pool_slots(POOL, 3)


def test_a_wrong_password_is_rejected_and_not_shown(airflow_api: AirflowApi) -> None:
    tokens = PasswordToken(airflow_api.url, USER, lambda: "hunter2")
    with pytest.raises(RejectedError, match=USER) as caught:
        AirflowRest(airflow_api.url, tokens).pools()
    assert "hunter2" not in str(caught.value)


def token(api: AirflowApi) -> str:
    return PasswordToken(api.url, USER, lambda: PASSWORD).token()


def test_a_token_file_that_was_renewed_is_read_again(
    airflow_api: AirflowApi, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("expired\n")
    airflow = AirflowRest(airflow_api.url, FileToken(file))
    with pytest.raises(RejectedError):
        airflow.pools()
    file.write_text(token(airflow_api))
    assert airflow.pools()


def test_a_token_command_is_asked_again_when_its_token_is_refused(
    airflow_api: AirflowApi, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("expired")
    tokens = CommandToken(["cat", str(file)])
    tokens.token()
    file.write_text(token(airflow_api))
    tokens._since -= 10
    assert AirflowRest(airflow_api.url, tokens).pools()


def test_a_password_token_that_is_refused_is_replaced_once(airflow_api: AirflowApi) -> None:
    tokens = PasswordToken(airflow_api.url, USER, lambda: PASSWORD)
    tokens._token = "long expired"
    tokens._since = time.monotonic() - 3600
    airflow = AirflowRest(airflow_api.url, tokens)
    airflow.set_paused(DAG_ID, paused=False)
    assert tokens._token.count(".") == 2


def test_a_frozen_api_server_is_unavailable_for_reads_and_unknown_for_effects(
    airflow_api: AirflowApi,
) -> None:
    airflow = rest(airflow_api, timeout=2.0)
    airflow.pools()
    pids = process_tree(airflow_api.child.pid)
    for pid in pids:
        freeze(pid)
    try:
        begun = time.monotonic()
        with pytest.raises(UnavailableError):
            airflow.pools()
        assert time.monotonic() - begun < 8
        with pytest.raises(UnknownOutcomeError):
            airflow.set_paused(DAG_ID, paused=False)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def process_tree(pid: int) -> Sequence[int]:
    parents: Mapping[int, int] = {
        int(p.parent.name): int(p.read_text().rpartition(")")[2].split()[1])
        for p in Path("/proc").glob("[0-9]*/stat")
    }
    tree = [pid]
    for known in tree:
        tree += [child for child, parent in parents.items() if parent == known]
    return tree


def test_an_absent_api_server_is_unavailable_for_both() -> None:
    class Fixed:
        def token(self) -> str:
            return "x"

        def refused(self, token: str) -> bool:
            return False

    airflow = AirflowRest("http://127.0.0.1:1", Fixed(), timeout=0.5)
    with pytest.raises(UnavailableError):
        airflow.pools()
    with pytest.raises(UnavailableError):
        airflow.set_paused(DAG_ID, paused=True)
