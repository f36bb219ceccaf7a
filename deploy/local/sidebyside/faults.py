"""The eleven faults: how each is made, what is left of it is undone, and how its healing is judged."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg

from localplatform import celery_control, faults
from localplatform.airflow_api import AirflowApi
from localplatform.layout import Platform
from localplatform.leak import SCHEDULER_LOCK
from localplatform.supervisord import Supervisor
from sidebyside.measuring import EVERY, flowing
from stories.scene import Scene

WORKER = "workers:worker_1"
#: Seconds within which a DAG of the load has started a task if it runs as it should.
LATELY = 1.25 * EVERY
Make = Callable[[Platform], contextlib.AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        name: As the command line takes it.
        title: For people.
        make: Makes it, and undoes what is left at the end of the block.
        well: Whether the platform does its work again; given the starts a second of before.
        required: Airwarden has to be better here in one figure at least.
        limit: Seconds that are watched at most: past the last moment at which a liveness probe would act.
    """

    name: str
    title: str
    make: Make
    well: Callable[[Scene, float], bool]
    required: bool = False
    limit: float = 420.0


@contextlib.contextmanager
def _killed(platform: Platform, program: str) -> Iterator[None]:
    faults.kill(platform, program, tree=True)
    yield


@contextlib.contextmanager
def _held_lock(platform: Platform) -> Iterator[None]:
    dsn = platform.dsn(platform.postgres.airflow_direct_dsn_file)
    with (
        contextlib.suppress(psycopg.OperationalError),
        psycopg.connect(dsn, application_name="nightly-report") as session,
    ):
        session.execute("SET lock_timeout = 30000")
        session.commit()
        session.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEDULER_LOCK,))
        session.execute("SELECT 1 FROM slot_pool FOR UPDATE")
        yield
        session.rollback()


@contextlib.contextmanager
def _deaf(platform: Platform) -> Iterator[None]:
    faults.deafen(platform, WORKER)
    try:
        yield
    finally:
        faults.hear_again(platform, WORKER)


@contextlib.contextmanager
def _ending_after(
    seconds: float, fault: contextlib.AbstractContextManager[object]
) -> Iterator[None]:
    """Keep a fault for that long while the block goes on."""
    over = threading.Event()
    made = threading.Event()

    def keep() -> None:
        with fault:
            made.set()
            over.wait(seconds)

    keeper = threading.Thread(target=keep, name="fault", daemon=True)
    keeper.start()
    made.wait(30)
    try:
        yield
    finally:
        over.set()
        keeper.join(60)


@contextlib.contextmanager
def _redis_minute(platform: Platform) -> Iterator[None]:
    with _ending_after(60.0, faults.redis_out(platform)):
        yield


@contextlib.contextmanager
def _hung_pool(platform: Platform) -> Iterator[None]:
    with AirflowApi(platform) as api:
        run_id = api.trigger("steady_hung", {})
    try:
        yield
    finally:
        dsn = platform.dsn(platform.postgres.airflow_direct_dsn_file)
        with psycopg.connect(dsn) as session:
            session.execute(
                "UPDATE task_instance SET state = 'failed' WHERE dag_id = 'steady_hung'"
                " AND run_id = %s", (run_id,),
            )  # fmt: skip


@contextlib.contextmanager
def _dependency(platform: Platform) -> Iterator[None]:
    with _ending_after(180.0, faults.dependency_outage(platform)):
        yield


def _starts(scene: Scene, before: float) -> bool:
    return flowing(scene, before)


def _worker_well(scene: Scene, before: float) -> bool:
    node = celery_control.node_name(scene.platform, WORKER)
    consumes = bool(celery_control.consuming(scene.platform, seconds=2).get(node))
    return consumes and flowing(scene, before)


def _deferred_well(scene: Scene, before: float) -> bool:
    del before
    return flowing(scene, 0.01, seconds=LATELY, dag="steady_wait") and not scene.rows(
        "SELECT 1 FROM task_instance WHERE state = 'deferred' AND dag_id = 'steady_wait'"
        " AND updated_at < now() - interval '15 seconds' LIMIT 1"
    )


def _pool_well(scene: Scene, before: float) -> bool:
    del before
    return flowing(scene, 0.01, seconds=LATELY, dag="steady_load")


def _parses(scene: Scene, before: float) -> bool:
    del before
    return bool(
        scene.rows(
            "SELECT 1 FROM job WHERE job_type = 'DagProcessorJob' AND state = 'running'"
            " AND latest_heartbeat > now() - interval '10 seconds'"
        )
    ) and bool(Supervisor(scene.platform).process("dag_processor").pid)


def _billing_well(scene: Scene, before: float) -> bool:
    del before
    rows = scene.rows(
        "SELECT 1 FROM task_instance WHERE dag_id = 'steady_billing' AND state = 'success'"
        " AND end_date > now() - %(lately)s * interval '1 second'",
        lately=LATELY,
    )
    return bool(rows)


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("scheduler-killed", "scheduler killed", lambda p: _killed(p, "scheduler"), _starts),
        Fault(
            "scheduler-frozen", "scheduler frozen",
            lambda p: faults.frozen(p, "scheduler"), _starts, required=True,
        ),
        Fault("lock-held", "scheduler's lock held by an idle session", _held_lock, _starts, required=True),
        Fault("worker-killed", "worker killed", lambda p: _killed(p, WORKER), _worker_well),
        Fault("worker-silent", "worker answers pings, consumes nothing", _deaf, _worker_well, required=True),
        Fault("redis-out", "Redis out for 60 s", _redis_minute, _starts, required=True),
        Fault(
            "connections-exhausted", "connections exhausted",
            lambda p: faults.leaking(p, hold_lock=False), _starts, required=True, limit=600.0,
        ),
        Fault("pool-hung", "pool full of hung tasks", _hung_pool, _pool_well),
        Fault(
            "triggerer-frozen", "triggerer frozen",
            lambda p: faults.frozen(p, "triggerer"), _deferred_well, required=True,
        ),
        Fault("dag-processor-killed", "dag-processor killed", lambda p: _killed(p, "dag_processor"), _parses),
        Fault("dependency-down", "dependency down for 180 s", _dependency, _billing_well, required=True),
    )
}  # fmt: skip
