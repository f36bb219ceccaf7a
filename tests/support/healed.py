"""Every fault that a playbook heals, played out with production's times: `python -m support.healed` tells them anew."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from airwarden.core.errors import UnavailableError
from airwarden.core.platform import Backfill, Dag, DatabaseSession, Pool, ProcessState, TaskKey
from support.fleet_bench import FleetBench, idle_fleet, node, scheduler, stall_by_phantoms, worker
from support.refusals import MINUTE, TOLD, told


def fail(bench: FleetBench, dag_id: str, *, started: bool, pool: str = "billing") -> None:
    """Let a task of a DAG fail now; its id is fixed, so that it is told alike each time."""
    now = bench.clock.now()
    bench.airflow.put_task(
        TaskKey(dag_id, "r", "t"),
        "failed",
        id=f"00000000-0000-0000-0000-{len(dag_id):012}",
        run_state="failed",
        pool=pool,
        hostname="w0" if started else "",
        start_date=now if started else None,
        end_date=now,
        queued_when=now,
    )


def frozen_scheduler(bench: FleetBench) -> None:
    bench.host.freeze(scheduler(0))
    bench.shout(
        "AirflowSchedulerProcessDown",
        summary="Scheduler process scheduler-0 of lab is frozen",
        component="scheduler",
        process=scheduler(0),
    )
    bench.run(8 * MINUTE)


def frozen_triggerer(bench: FleetBench) -> None:
    bench.host.freeze("triggerer")
    bench.shout(
        "AirflowTriggererDown",
        summary="Triggerer process triggerer of lab is frozen",
        component="triggerer",
        process="triggerer",
    )
    bench.run(8 * MINUTE)


def session(bench: FleetBench, pid: int, state: str, **fields: Any) -> DatabaseSession:
    began = bench.clock.now() - timedelta(seconds=90)
    idle = state == "idle"
    one = DatabaseSession(pid, began, None if idle else began, state, 90.0, "nightly-report", "etl")
    return replace(one, **fields)


def held_lock(bench: FleetBench) -> None:
    holder = session(bench, 7, "idle in transaction", holds_scheduler_lock=True)
    bench.database.open_sessions = [holder]
    bench.shout(
        "AirflowSchedulerLockHeld",
        summary="An idle session of nightly-report holds the scheduler's lock of lab",
        component="database",
        application="nightly-report",
    )
    bench.run(8 * MINUTE)


def leaked_connections(bench: FleetBench) -> None:
    bench.database.open_sessions = [session(bench, pid, "idle") for pid in range(40, 100)]

    class Counted(dict[str, list[dict[str, int]]]):
        def __getitem__(self, query: str) -> list[dict[str, int]]:
            if query != "connections":
                return super().__getitem__(query)
            taken = len(bench.database.open_sessions) + 30
            return [{"sessions": taken, "connections_max": 97}]

    bench.database.answers = Counted(bench.database.answers)
    bench.shout(
        "AirflowDatabaseConnectionsCritical",
        summary="93 % of the metadata database's connections of lab are taken",
        component="database",
    )
    bench.run(8 * MINUTE)


def blocking_session(bench: FleetBench) -> None:
    blocker = session(bench, 4242, "idle in transaction", blocks=(11, 12))
    bench.database.open_sessions = [blocker]
    bench.shout(
        "AirflowDatabaseIdleInTransaction",
        severity="warning",
        summary="12 sessions of lab sit idle in a transaction",
        component="database",
    )
    bench.run(8 * MINUTE)


def silent_worker(bench: FleetBench) -> None:
    bench.workers.put(node(0), queues=(), active=1)
    bench.shout(
        "AirflowWorkerSilent",
        severity="warning",
        summary="Worker w0@box of lab answers and consumes nothing",
        component="worker",
        hostname=node(0),
    )
    bench.run(3 * MINUTE)
    bench.workers.put(node(0), queues=(), active=0)
    bench.run(8 * MINUTE)


def dead_worker(bench: FleetBench) -> None:
    bench.host.freeze(worker(0))
    bench.shout(
        "AirflowWorkerDown",
        severity="warning",
        summary="Worker process workers:w0 of lab is down",
        component="worker",
        process=worker(0),
    )
    bench.run(8 * MINUTE)


def dead_api_server(bench: FleetBench) -> None:
    bench.host.exit("api_server", ProcessState.FATAL)
    bench.airflow.break_with(UnavailableError("connection refused"))
    bench.shout(
        "AirflowApiServerDown",
        summary="Api-server process api_server of lab is down or frozen",
        component="api-server",
        process="api_server",
    )
    bench.run(40)
    bench.airflow.break_with(None)
    bench.run(8 * MINUTE)


def phantom_slots(bench: FleetBench) -> None:
    stall_by_phantoms(bench, 2, summary="Nothing is scheduled although 5 tasks wait")
    bench.run(8 * MINUTE)


def broker_out(bench: FleetBench) -> None:
    bench.broker.break_with(UnavailableError("connection refused"))
    bench.workers.break_with(UnavailableError("connection refused"))
    bench.shout(
        "AirflowBrokerDown",
        summary="The redis broker of lab does not answer",
        component="broker",
        kind="redis",
    )
    bench.run(MINUTE)
    fail(bench, "billing_charge", started=False)
    bench.broker.break_with(None)
    bench.workers.break_with(None)
    bench.run(8 * MINUTE)


def dependency_down(bench: FleetBench) -> None:
    bench.probe.up = False
    bench.shout(
        "AirflowDependencyDown",
        summary="Dependency billing of lab does not answer its probe",
        component="dependency",
        dependency="billing",
    )
    bench.run(3 * MINUTE)
    fail(bench, "billing_sync", started=True)
    fail(bench, "billing_charge", started=True)
    bench.probe.up = True
    bench.run(MINUTE)
    (run,) = (one for one in bench.airflow.dag_runs("billing_canary") if one.state == "queued")
    bench.airflow.put_run(replace(run, state="success"))
    bench.run(14 * MINUTE)


def deep_queue(bench: FleetBench) -> None:
    bench.broker.put("default", 500)
    for number in range(2):
        bench.workers.put(node(number), active=4, reserved=4)
    bench.shout(
        "AirflowTaskQueueDepthHigh",
        severity="warning",
        summary="500 tasks wait in queue default of lab",
        component="queue",
        queue="default",
    )
    bench.run(3 * MINUTE)
    bench.broker.put("default", 0)
    bench.run(15 * MINUTE)


def starving_pool(bench: FleetBench) -> None:
    bench.airflow.put_pool(Pool("etl", 8))
    for number in range(10):
        state = "running" if number < 8 else "scheduled"
        bench.airflow.put_task(TaskKey("etl", "r", f"t{number}"), state, pool="etl")
    bench.shout(
        "AirflowPoolStarving",
        severity="warning",
        summary="2 tasks have starved for slots of pool etl of lab for 10 minutes",
        pool="etl",
    )
    bench.run(3 * MINUTE)
    for number in range(10):
        bench.airflow.put_task(TaskKey("etl", "r", f"t{number}"), "success", pool="etl")
    bench.run(75 * MINUTE)


def killed_tasks(bench: FleetBench) -> None:
    for dag_id, tags in (("etl", ("auto-heal:idempotent",)), ("charge", ())):
        bench.airflow.put_dag(Dag(dag_id, False, tags))
        fail(bench, dag_id, started=True, pool="default_pool")
    bench.shout(
        "AirflowPlatformFailsTasks",
        severity="warning",
        summary="The platform has killed 2 tasks of lab for good in 10 minutes",
    )
    bench.run(15 * MINUTE)


def lost_tasks(bench: FleetBench) -> None:
    long_ago = bench.clock.now() - timedelta(minutes=15)
    bench.airflow.put_dag(Dag("etl", False))
    bench.airflow.put_task(TaskKey("etl", "r", "t"), "queued", queued_when=long_ago, id=f"{0:032}")
    bench.shout(
        "AirflowOldestQueuedTask",
        severity="warning",
        summary="A task of queue default of lab has been queued for 15 minutes",
        queue="default",
    )
    bench.run(12 * MINUTE)


def flooding_dag(bench: FleetBench) -> None:
    bench.airflow.put_backfill(Backfill(1, "flood", is_paused=False))
    for dag_id, count in {"flood": 700, "orders": 120, "stock": 120}.items():
        bench.airflow.put_dag(Dag(dag_id, False))
        for number in range(count):
            bench.airflow.put_task(TaskKey(dag_id, f"r{number}", "t"), "scheduled")
    bench.shout(
        "AirflowBacklogGrowing",
        severity="warning",
        summary="The backlog of queue default of lab has grown for 30 minutes",
        queue="default",
    )
    bench.run(5 * MINUTE)
    for dag_id, count in {"flood": 700, "orders": 120, "stock": 120}.items():
        for number in range(count):
            bench.airflow.put_task(TaskKey(dag_id, f"r{number}", "t"), "success")
    bench.run(25 * MINUTE)


def idle_workers(bench: FleetBench) -> None:
    idle_fleet(bench, summary="10% of the worker slots of lab are asked for")
    bench.run(20 * MINUTE)


#: That which `make test` tells; the others take seconds each, and are left to `make reliability`.
QUICK = ("held-lock",)
#: By the name of the file that it is told in.
STORIES: dict[str, Callable[[FleetBench], None]] = {
    "frozen-scheduler": frozen_scheduler,
    "frozen-triggerer": frozen_triggerer,
    "held-lock": held_lock,
    "leaked-connections": leaked_connections,
    "blocking-session": blocking_session,
    "silent-worker": silent_worker,
    "dead-worker": dead_worker,
    "phantom-slots": phantom_slots,
    "dead-api-server": dead_api_server,
    "broker-out": broker_out,
    "dependency-down": dependency_down,
    "deep-queue": deep_queue,
    "starving-pool": starving_pool,
    "killed-tasks": killed_tasks,
    "lost-tasks": lost_tasks,
    "flooding-dag": flooding_dag,
    "idle-workers": idle_workers,
}
#: Schedulers and workers, where two are too few.
SIZES = {"idle-workers": 10}


def play(name: str, folder: Path) -> FleetBench:
    """Play one on a platform of two schedulers and two workers, or more; the caller closes it."""
    # Each clear is delayed at random, which a story would tell otherwise each time.
    random.seed(7)
    bench = FleetBench(folder, SIZES.get(name, 2))
    bench.run(2 * MINUTE)
    STORIES[name](bench)
    return bench


def main() -> None:
    """Write all of them."""
    for name in STORIES:
        with tempfile.TemporaryDirectory() as folder:
            bench = play(name, Path(folder))
            (TOLD / f"{name}.txt").write_text(told(bench))
            bench.close()


if __name__ == "__main__":
    main()
