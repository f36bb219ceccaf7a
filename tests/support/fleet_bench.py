"""A platform of any size with every playbook in force under the rails' own numbers, and its situations."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from airwarden.core.errors import UnavailableError
from airwarden.core.platform import (
    Backfill,
    Component,
    Dag,
    DatabaseSession,
    Pool,
    ProcessState,
    TaskKey,
)
from airwarden.remediation.actions.registry import actions
from airwarden.remediation.checks.registry import checks
from airwarden.remediation.decide.autoscaling import ScalingPolicy
from airwarden.remediation.decide.states import AttemptState, IncidentState
from airwarden.remediation.journal import incidents as journal_incidents
from airwarden.remediation.journal import runs as journal_runs
from airwarden.remediation.playbooks_loader import load_playbooks
from airwarden.remediation.world import Dependency
from support.engine import START
from support.measured import Measured
from support.platform_bench import CLUSTER, PlatformBench

#: Effects of one moment of virtual time: as with a real engine, the next follows the one before at once.
_EFFECTS_AT_ONCE = 30


def scheduler(number: int) -> str:
    """The name of a scheduler's process."""
    return f"scheduler-{number}"


def worker(number: int) -> str:
    """The name of a worker's process."""
    return f"workers:w{number}"


def node(number: int) -> str:
    """The name of a worker in Celery."""
    return f"w{number}@box"


class FleetBench(PlatformBench):
    """`size` schedulers, and as many running workers with a quarter more in reserve."""

    def __init__(self, folder: Path, size: int) -> None:
        spare = math.ceil(size * 0.25)
        super().__init__(
            folder,
            programs={
                Component.SCHEDULER: tuple(scheduler(n) for n in range(size)),
                Component.TRIGGERER: ("triggerer",),
                Component.DAG_PROCESSOR: ("dag_processor",),
                Component.API_SERVER: ("api_server",),
                Component.WORKER: tuple(worker(n) for n in range(size + spare)),
            },
            running=size,
        )
        self.size = size
        self._hushed: dict[str, str] = {}

    def hush(self, count: int) -> None:
        """Let the first schedulers run and not beat, until they are replaced."""
        generations = {process.name: process.generation for process in self.host.processes()}
        self._hushed = {scheduler(n): generations[scheduler(n)] for n in range(count)}

    def live(self) -> None:
        """Let what runs show that it does."""
        if self._hushed:
            now = {process.name: process.generation for process in self.host.processes()}
            self.quiet = {name for name, was in self._hushed.items() if now[name] == was}
        super().live()

    def turn(self) -> None:
        """One turn; the alerts of what is healed end, as Prometheus would let them."""
        for _ in range(_EFFECTS_AT_ONCE):
            super().turn()
            with self.journal.read() as tx:
                if not journal_runs.due(tx):
                    break
        self.end_healed()

    def silence(self, number: int) -> None:
        """Let a worker answer and consume nothing."""
        self.workers.put(node(number), queues=())

    def shout_silent(self, number: int) -> None:
        """A silent worker's alert fires."""
        self.shout("AirflowWorkerSilent", component="worker", hostname=node(number))

    def outcome(self) -> str:
        """What came of it: confirmed effects, and how the incidents ended; as the table writes it."""
        with self.journal.read() as tx:
            every = journal_incidents.search(tx)
            done = [
                attempt
                for one in every
                for attempt in journal_runs.attempts_of_incident(tx, one.id)
                if attempt.state is AttemptState.CONFIRMED
                and attempt.undo_of is None
                and not attempt.action.startswith("breaker.")
            ]
        left = [one for one in every if one.state is IncidentState.ESCALATED]
        why = sorted({one.reason for one in left})
        if any(one.state is IncidentState.STORM_HOLD for one in every):
            why.append("held as a storm")
        return f"{len(done)}{'; ' if why else ''}{' | '.join(why)}"


@dataclass(frozen=True, slots=True)
class Situation:
    """How a platform is broken, and how long is waited."""

    breaks: Callable[[FleetBench], None]
    minutes: float = 10.0


def _dead_schedulers(count: Callable[[int], int], *, slow: bool = False) -> Situation:
    def breaks(bench: FleetBench) -> None:
        if slow:
            bench.database.seconds = 2.5
        for number in range(count(bench.size)):
            bench.host.exit(scheduler(number), ProcessState.FATAL)
        bench.shout("AirflowSchedulerProcessDown", component="scheduler")

    return Situation(breaks, 15.0)


def _silent_schedulers(count: Callable[[int], int], *, slow: bool = False) -> Situation:
    def breaks(bench: FleetBench) -> None:
        for number in range(count(bench.size)):
            # Started at a time of its own: else which one is silent could not be told.
            bench.host.respawn(scheduler(number))
            bench.run(130)
        if slow:
            bench.database.seconds = 2.5
        bench.run(60)
        bench.hush(count(bench.size))
        bench.run(60)
        bench.shout("AirflowSchedulerHeartbeatLost", component="scheduler")

    return Situation(breaks)


def _all_late(bench: FleetBench) -> None:
    bench.hush(bench.size)
    bench.run(60)
    bench.shout("AirflowSchedulerHeartbeatLost", component="scheduler")


def _dead_workers(count: Callable[[int], int]) -> Situation:
    def breaks(bench: FleetBench) -> None:
        for number in range(count(bench.size)):
            bench.host.exit(worker(number), ProcessState.FATAL)
        bench.shout("AirflowWorkerDown", component="worker")

    return Situation(breaks, 20.0)


def _one_dead(name: str, alertname: str, component: str) -> Situation:
    def breaks(bench: FleetBench) -> None:
        bench.host.freeze(name)
        bench.shout(alertname, component=component)

    return Situation(breaks)


def _stalled(bench: PlatformBench, **said: str) -> None:
    for number in range(5):
        bench.airflow.put_task(TaskKey("orders", f"run-{number}", "load"), "scheduled")
    bench.shout("AirflowSchedulerStalled", component="scheduler", **said)


def stall_by_phantoms(bench: PlatformBench, schedulers: int, **said: str) -> None:
    """Let tasks that no worker has take up every slot, until one scheduler is replaced."""
    for number in range(32 * schedulers):
        bench.airflow.put_task(TaskKey("gone", f"run-{number}", "load"), "running")
    _stalled(bench, **said)
    bench.run(75)
    if any(what == "restart" for what, *_ in bench.host.effects):
        bench.airflow._instances.clear()


def _phantoms(bench: FleetBench) -> None:
    stall_by_phantoms(bench, bench.size)


def _api_server(bench: FleetBench) -> None:
    bench.host.exit("api_server", ProcessState.FATAL)
    bench.airflow.break_with(UnavailableError("connection refused"))
    bench.shout("AirflowApiServerDown", component="api-server")
    bench.run(90)
    if any(what == "start" for what, *_ in bench.host.effects):
        bench.airflow.break_with(None)


def _silent_workers(
    silent: Callable[[int], int],
    alerts: Callable[[int], int] | None = None,
    *,
    minutes: float = 10.0,
) -> Situation:
    def breaks(bench: FleetBench) -> None:
        for number in range(silent(bench.size)):
            bench.silence(number)
        for number in range((alerts or silent)(bench.size)):
            bench.shout_silent(number)

    return Situation(breaks, minutes)


def _busy_silent(bench: FleetBench) -> None:
    bench.workers.put(node(0), queues=(), active=1)
    bench.shout_silent(0)


def _deep_queue(*, slow: bool = False) -> Situation:
    def breaks(bench: FleetBench) -> None:
        if slow:
            bench.database.seconds = 2.5
        for number in range(bench.size):
            bench.workers.put(node(number), active=4, reserved=4)
        bench.broker.put("default", 100_000)
        bench.shout("AirflowTaskQueueDepthHigh", component="queue", queue="default")

    return Situation(breaks)


def idle_fleet(bench: FleetBench, **labels: str) -> None:
    """Let a tenth of the slots be taken, by measurements, for as long as they reach back; and the alert fire."""
    measured = Measured(nodes=bench.size)
    measured.running, measured.queued = lambda ago: 1.6 * bench.size, lambda ago: 0.0
    measured.week = 1.6 * bench.size
    policy = ScalingPolicy(0.85, 0.40, 300, 900, minimum=2, maximum=1000)
    world = replace(bench.worlds[CLUSTER], prometheus=measured, scaling=policy)
    bench.worlds = {CLUSTER: world}
    bench.shout("AirflowWorkersIdle", severity="info", component="worker", **labels)


def _idle(*, also: str = "") -> Situation:
    def breaks(bench: FleetBench) -> None:
        if also:
            bench.shout(also)
        idle_fleet(bench)

    return Situation(breaks, 20.0)


def _broker_out(bench: FleetBench) -> None:
    for number in range(bench.size - 1):
        bench.airflow.put_pool(Pool(f"pool-{number}", 16))
    bench.airflow.put_pool(Pool("billing", -1))
    bench.broker.break_with(UnavailableError("connection refused"))
    bench.shout("AirflowBrokerDown", component="broker")


def _dependency_down(bench: FleetBench) -> None:
    names = [f"billing-{number}" for number in range(bench.size)]
    for name in names:
        bench.airflow.put_pool(Pool(name, 8))
    for dag_id in ("billing_sync", "billing_charge"):
        bench.airflow.put_dag(Dag(dag_id, True, ()))
    for number in range(bench.size):
        bench.airflow.put_dag(Dag(f"dag-{number}", False, ("depends:billing",)))
    billing = Dependency("billing", pools=tuple(names), probe=bench.probe)
    world = replace(bench.worlds[CLUSTER], dependencies={"billing": billing})
    bench.worlds = {CLUSTER: world}
    bench.probe.up = False
    bench.shout("AirflowDependencyDown", component="dependency", dependency="billing")


def _session(pid: int, state: str, *, lock: bool = False) -> DatabaseSession:
    start = START if state != "idle" else None
    return DatabaseSession(
        pid, START, start, state, 300.0, "leaky-etl", "etl", holds_scheduler_lock=lock
    )


def _lock_held(bench: FleetBench) -> None:
    bench.database.open_sessions = [_session(7, "idle in transaction", lock=True)]
    bench.shout("AirflowSchedulerLockHeld", component="database")


def _leak(bench: FleetBench) -> None:
    """As many leaked sessions as the fleet is large, in a database with room for a few more."""
    most = bench.size + 5
    bench.database.open_sessions = [_session(n, "idle") for n in range(bench.size)]

    class Counted(dict[str, list[dict[str, int]]]):
        def __getitem__(self, query: str) -> list[dict[str, int]]:
            if query != "connections":
                return super().__getitem__(query)
            taken = len(bench.database.open_sessions) + 5
            return [{"sessions": taken, "connections_max": most}]

    bench.database.answers = Counted(bench.database.answers)
    bench.shout("AirflowDatabaseConnectionsCritical", component="database")


def _starving(pool: str, *, slow: bool = False) -> Situation:
    def breaks(bench: FleetBench) -> None:
        if slow:
            bench.database.seconds = 2.5
        bench.airflow.put_pool(Pool(pool, 8))
        for number in range(12):
            state = "running" if number < 8 else "scheduled"
            bench.airflow.put_task(TaskKey("etl", "r", f"t{number}"), state, pool=pool)
        bench.shout("AirflowPoolStarving", severity="warning", pool=pool)

    return Situation(breaks)


def _hung_in_queue(*, behind: int) -> Situation:
    def breaks(bench: FleetBench) -> None:
        long_ago = bench.clock.now() - timedelta(minutes=15)
        bench.airflow.put_dag(Dag("etl", False))
        bench.airflow.put_task(TaskKey("etl", "r", "t"), "queued", queued_when=long_ago)
        if behind:
            bench.broker.put("default", behind)
        bench.shout("AirflowOldestQueuedTask", severity="warning", queue="default")

    return Situation(breaks, 12.0)


def _killed(*tags: str) -> Situation:
    def breaks(bench: FleetBench) -> None:
        bench.airflow.put_dag(Dag("etl", False, tags))
        now = bench.clock.now()
        bench.airflow.put_task(
            TaskKey("etl", "r", "t"), "failed", run_state="failed", hostname="w", end_date=now
        )
        bench.shout("AirflowPlatformFailsTasks", severity="warning")

    return Situation(breaks, 15.0)


def _flooding(waiting: int) -> Situation:
    def breaks(bench: FleetBench) -> None:
        many = {"flood": waiting, **{f"other{n}": 120 for n in range(5)}}
        bench.airflow.put_backfill(Backfill(1, "flood", is_paused=False))
        for dag_id, count in many.items():
            bench.airflow.put_dag(Dag(dag_id, False))
            for number in range(count):
                bench.airflow.put_task(TaskKey(dag_id, f"r{number}", "t"), "scheduled")
        bench.shout("AirflowBacklogGrowing", severity="warning", queue="default")

    return Situation(breaks, 8.0 if waiting else 25.0)


def _blocking(*blocks: int) -> Situation:
    def breaks(bench: FleetBench) -> None:
        one = _session(4242, "idle in transaction")
        bench.database.open_sessions = [replace(one, state_age=400.0, blocks=blocks)]
        bench.shout("AirflowDatabaseIdleInTransaction", severity="warning")

    return Situation(breaks)


def _shouts(alertname: str) -> Situation:
    return Situation(lambda bench: _shout(bench, alertname), 8.0)


def _shout(bench: FleetBench, alertname: str) -> None:
    bench.shout(alertname)


def _one(_size: int) -> int:
    return 1


def _all(size: int) -> int:
    return size


def _half(size: int) -> int:
    return max(1, size // 2)


def _tenth(size: int) -> int:
    return max(1, size // 10)


def _left_to_people() -> dict[str, dict[str, Situation]]:
    """Return one situation of each playbook that is for people only: its first alert fires."""
    shipped = load_playbooks(actions=actions().keys(), checks=checks().keys())
    return {
        name: {LEFT: _shouts(loaded.playbook.alerts[0]["alertname"])}
        for name, loaded in shipped.by_name.items()
        if loaded.playbook.human_only
    }


#: What a playbook that is for people only has as its situation.
LEFT = "its first alert"
#: playbook → situation's name → the situation.
SITUATIONS: dict[str, dict[str, Situation]] = {
    "scheduler-restart": {
        "one gone": _dead_schedulers(_one),
        "all gone": _dead_schedulers(_all),
        "all gone, database slow": _dead_schedulers(_all, slow=True),
        "one late": _silent_schedulers(_one),
        "one late, database slow": _silent_schedulers(_one, slow=True),
        "all late": Situation(_all_late),
    },
    "component-restart": {
        "triggerer frozen": _one_dead("triggerer", "AirflowTriggererDown", "triggerer"),
        "dag-processor frozen": _one_dead(
            "dag_processor", "AirflowDagProcessorDown", "dag-processor"
        ),
        "one worker gone": _dead_workers(_one),
        "a tenth of the workers gone": _dead_workers(_tenth),
        "all workers gone": _dead_workers(_all),
    },
    "scheduler-stalled": {
        "slots look taken": Situation(_phantoms),
        "cause elsewhere": Situation(_stalled),
    },
    "api-server-down": {"api-server gone": Situation(_api_server)},
    "worker-silent": {
        "one silent": _silent_workers(_one),
        "one silent and busy": Situation(_busy_silent, 15.0),
        "half silent": _silent_workers(_half, lambda size: min(_half(size), 3)),
        "all silent": _silent_workers(_all, lambda size: min(size, 3)),
        "eight silent": _silent_workers(lambda size: min(size, 8), minutes=12.0),
        "five silent": _silent_workers(lambda size: min(size, 5), minutes=25.0),
    },
    "queue-scale-up": {
        "deep": _deep_queue(),
        "deep, database slow": _deep_queue(slow=True),
    },
    "workers-idle": {
        "few slots taken": _idle(),
        "and another incident": _idle(also="AirflowDagFailureRateHigh"),
    },
    "broker-out": {"as many pools": Situation(_broker_out, 4.0)},
    "dependency-breaker": {"as many pools and DAGs": Situation(_dependency_down, 4.0)},
    "database-session": {
        "lock held": Situation(_lock_held, 8.0),
        "as many leaked": Situation(_leak, 8.0),
    },
    "pool-starving": {
        "a pool": _starving("etl"),
        "a pool, database slow": _starving("etl", slow=True),
        "a pool that protects": _starving("billing"),
    },
    "lost-tasks": {
        "lost": _hung_in_queue(behind=0),
        "in turn": _hung_in_queue(behind=100_000),
    },
    "killed-tasks": {
        "may be repeated": _killed("auto-heal:idempotent"),
        "may not": _killed(),
    },
    "dag-flood": {"backfill": _flooding(700), "everybody": _flooding(0)},
    "database-blocker": {"blocks": _blocking(11, 12), "blocks nobody": _blocking()},
    **_left_to_people(),
}
