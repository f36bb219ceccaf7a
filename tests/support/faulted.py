"""For every action that there is: a fault that calls for it, and what makes its outcome undecidable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from airwarden.core.failures import Cause, Verdict
from airwarden.core.platform import (
    Backfill,
    Component,
    Dag,
    DatabaseSession,
    Pool,
    TaskInstance,
    TaskKey,
)
from airwarden.remediation.decide.autoscaling import ScalingPolicy
from airwarden.remediation.journal.memory import JournalBreakers
from airwarden.remediation.journal.store import Journal
from airwarden.remediation.world import BreakerState, Dependency
from support.outside import CELERY, PROGRAMS, WORKERS, WORKLOAD, Outside

DEPENDENCY, POOL, DAG = "warehouse", "warehouse", "load"
#: A pool that protects no dependency.
GENERAL = "general"
#: What every child's world declares.
DEPENDENCIES = {DEPENDENCY: Dependency(DEPENDENCY, pools=(POOL,))}
BREAKER = f"lab/{DEPENDENCY}"

Arrange = Callable[[Outside], None]


class KilledByThePlatform:
    """Says of every attempt that the platform killed it."""

    def of(self, task: TaskInstance) -> Verdict:
        return Verdict(Cause.INFRASTRUCTURE, "audit_log", "no heartbeat", event="heartbeat timeout")

    def known(self, task: TaskInstance) -> Verdict | None:
        return None


@dataclass(frozen=True)
class Faulted:
    """One action's fault.

    Attributes:
        labels: What the alert carries beside its usual labels.
        arrange: Breaks the world so that the action has exactly one effect to do.
        method: The first word of that effect in `Outside.effects`; empty for a journal's row.
        breaker: The state that the dependency's breaker is in at first.
        parameters: Of the playbook's step.
        disturb: What somebody else does right after the effect, after which no read-back can tell.
        on_kubernetes: The platform runs in a namespace of Kubernetes.
        scaling: What `auto_scaling:` says; by measurements nearly no slot was taken then.
    """

    labels: Mapping[str, str]
    arrange: Arrange
    method: str
    breaker: BreakerState | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    disturb: Arrange | None = None
    on_kubernetes: bool = False
    scaling: ScalingPolicy | None = None

    def prepare(self, outside: Outside, journal: Journal) -> None:
        """Break the world."""
        self.arrange(outside)
        if self.breaker is not None:
            store = JournalBreakers(journal)
            store.change(store.load(BREAKER), state=self.breaker, reopened=True)

    def effects(self, outside: Outside, journal: Journal) -> int:
        """Return how often its effect has happened."""
        if self.method:
            assert {effect[0] for effect in outside.effects()} <= {self.method}
            return len(outside.effects())
        return JournalBreakers(journal).load(BREAKER).rev - 1


def _freeze(outside: Outside) -> None:
    outside.host.freeze("scheduler")


def _silence_a_worker(outside: Outside) -> None:
    outside.workers.put(CELERY["worker_1"], queues=())


def _unsupervise(name: str) -> Arrange:
    def arrange(outside: Outside) -> None:
        del outside.host._processes[name]

    return arrange


def _pool(outside: Outside) -> None:
    outside.airflow.put_pool(Pool(POOL, 32))


def _pool_of_another(outside: Outside) -> None:
    outside.airflow.put_pool(Pool(POOL, 7))


def _dag(*tags: str) -> Arrange:
    def arrange(outside: Outside) -> None:
        outside.airflow.put_dag(Dag(DAG, is_paused=False, tags=tags))

    return arrange


def _dag_gone(outside: Outside) -> None:
    del outside.airflow._dags[DAG]


def _failed_tasks(outside: Outside) -> None:
    _pool(outside)
    outside.airflow.put_dag(Dag(DAG, is_paused=False))
    for task in ("extract", "load"):
        outside.airflow.put_task(
            TaskKey(DAG, "run-1", task), "failed", pool=POOL, end_date=datetime.now(UTC)
        )


def _run_deleted(outside: Outside) -> None:
    outside.airflow._instances.clear()


def _lock_holder(outside: Outside) -> None:
    now = datetime.now(UTC)
    outside.database.open_sessions.append(
        DatabaseSession(
            pid=4242,
            backend_start=now - timedelta(hours=1),
            xact_start=now - timedelta(minutes=10),
            state="idle in transaction",
            state_age=600,
            application="report",
            user="report",
            holds_scheduler_lock=True,
        )
    )


def _backfill(outside: Outside) -> None:
    _dag()(outside)
    outside.airflow.put_backfill(Backfill(7, DAG, is_paused=False))


def _backfill_over(outside: Outside) -> None:
    outside.airflow._backfills.clear()


def _starving_pool(outside: Outside) -> None:
    outside.airflow.put_pool(Pool(GENERAL, 2))
    for number, state in enumerate(("running", "running", "scheduled")):
        outside.airflow.put_task(TaskKey(DAG, "run-1", f"t{number}"), state, pool=GENERAL)


def _general_pool_of_another(outside: Outside) -> None:
    outside.airflow.put_pool(Pool(GENERAL, 99))


def _killed_task(outside: Outside) -> None:
    _dag("auto-heal:idempotent")(outside)
    outside.airflow.put_task(
        TaskKey(DAG, "run-1", "load"),
        "failed",
        run_state="failed",
        hostname="box",
        end_date=datetime.now(UTC),
    )


def _idle_silent_worker(outside: Outside) -> None:
    outside.workers.put(CELERY["worker_1"], queues=())


def _five_idle_workers(outside: Outside) -> None:
    like = outside.host._processes["worker_1"]
    for name in ("worker_3", "worker_4", "worker_5"):
        outside.host._processes[name] = replace(like, name=name, celery_hostname=f"celery@{name}")
        outside.workers.put(f"celery@{name}")


def _worker_gone(outside: Outside) -> None:
    outside.workers.remove(CELERY["worker_1"])


def _phantom_tasks(outside: Outside) -> None:
    for name in PROGRAMS[Component.SCHEDULER]:
        job = outside.airflow.put_job(Component.SCHEDULER, name).id
        row = outside.airflow._jobs[job]
        # It beats as long as the test lasts.
        later = datetime.now(UTC) + timedelta(hours=1)
        outside.airflow._jobs[job] = replace(row, latest_heartbeat=later)
    for run in ("run-1", "run-2"):
        outside.airflow.put_task(TaskKey(DAG, run, "load"), "running")


def _workload_of_another(outside: Outside) -> None:
    now = outside.kube.kept[WORKLOAD]
    outside.kube.kept[WORKLOAD] = replace(now, restarted="theirs", generation=now.generation + 2)


def _rescaled_by_another(outside: Outside) -> None:
    outside.kube.kept[WORKLOAD] = replace(outside.kube.kept[WORKLOAD], wanted=7)


def _scaled_by_another(outside: Outside) -> None:
    outside.kube.owners[WORKERS] = replace(outside.kube.owners[WORKERS], maximum=99)


def _nothing(outside: Outside) -> None:
    del outside


_BY_DEPENDENCY = {"dependency": DEPENDENCY}
_SCHEDULER = {"component": Component.SCHEDULER.value, "process": "scheduler"}
_WORKER = {"component": Component.WORKER.value, "hostname": CELERY["worker_1"]}

#: By the action's name, and `/kubernetes` where it is another way there; a test holds it to the registry.
FAULTED: Mapping[str, Faulted] = {
    "backfill.pause": Faulted(
        {"dag_id": DAG},
        _backfill,
        "set_backfill_paused",
        parameters={"which": "labels"},
        disturb=_backfill_over,
    ),
    "breaker.close": Faulted(_BY_DEPENDENCY, _nothing, "", breaker=BreakerState.OPEN),
    "breaker.open": Faulted(_BY_DEPENDENCY, _nothing, "", breaker=BreakerState.CLOSED),
    "canary.start": Faulted(
        _BY_DEPENDENCY, _dag(f"canary:{DEPENDENCY}"), "trigger", disturb=_dag_gone
    ),
    "dag.pause": Faulted(
        _BY_DEPENDENCY, _dag(f"depends:{DEPENDENCY}"), "set_paused", disturb=_dag_gone
    ),
    "dag.trigger": Faulted({}, _dag(), "trigger", parameters={"dag_id": DAG}, disturb=_dag_gone),
    "database.end_sessions": Faulted({}, _lock_holder, "end"),
    "pool.grow": Faulted(
        {"pool": GENERAL}, _starving_pool, "set_pool_slots", disturb=_general_pool_of_another
    ),
    "pool.hold": Faulted(_BY_DEPENDENCY, _pool, "set_pool_slots", disturb=_pool_of_another),
    "replicas.add": Faulted(
        {"component": Component.DAG_PROCESSOR.value, "workload": WORKLOAD},
        _nothing,
        "scale",
        disturb=_rescaled_by_another,
        on_kubernetes=True,
    ),
    "process.restart": Faulted(_SCHEDULER, _freeze, "restart", disturb=_unsupervise("scheduler")),
    "scheduler.release": Faulted(
        {"component": Component.SCHEDULER.value},
        _phantom_tasks,
        "restart",
        parameters={"parallelism": 1},
        disturb=_unsupervise("scheduler"),
    ),
    "tasks.requeue": Faulted(
        _BY_DEPENDENCY,
        _failed_tasks,
        "clear",
        parameters={"spread": 0},
        disturb=_run_deleted,
    ),
    "tasks.retry": Faulted(
        {}, _killed_task, "clear", parameters={"base": 0.1}, disturb=_run_deleted
    ),
    "worker.consume": Faulted(
        _WORKER,
        _idle_silent_worker,
        "add_consumers",
        parameters={"queues": ["default"]},
        disturb=_worker_gone,
    ),
    "worker.drain": Faulted(_WORKER, _nothing, "cancel_consumers", disturb=_worker_gone),
    "worker.shutdown": Faulted(_WORKER, _idle_silent_worker, "shut_down"),
    "worker.restart": Faulted(
        _WORKER, _silence_a_worker, "restart", disturb=_unsupervise("worker_1")
    ),
    "workers.scale": Faulted(
        {"component": Component.WORKER.value}, _nothing, "start", disturb=_unsupervise("worker_2")
    ),
    "workers.scale/kubernetes": Faulted(
        {"queue": "default"}, _nothing, "scale", disturb=_scaled_by_another, on_kubernetes=True
    ),
    "workers.shrink": Faulted(
        {"component": Component.WORKER.value},
        _five_idle_workers,
        "cancel_consumers",
        parameters={"stage": "drain"},
        disturb=_unsupervise("worker_0"),
        scaling=ScalingPolicy(0.85, 0.40, 300, 900, minimum=2, maximum=20),
    ),
    "workload.restart": Faulted(
        {"component": Component.DAG_PROCESSOR.value, "workload": WORKLOAD},
        _nothing,
        "restart",
        disturb=_workload_of_another,
        on_kubernetes=True,
    ),
}
