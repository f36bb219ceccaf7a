"""Checks on what work waits for: pools, a DAG that floods, tasks that the queue has lost, and time itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airwarden.core.errors import UnavailableError
from airwarden.core.platform import TaskInstance
from airwarden.core.ports import Airflow
from airwarden.remediation.checks.base import Reading, Verdict, opposite, truth, unknown_if
from airwarden.remediation.floods import flooding_dag, waiting_by_dag
from airwarden.remediation.world import Subject, World

#: Queued tasks of one queue that are looked at.
_QUEUED = 2000


class TimePassed:
    """True at once: a wait for it lasts as long as its `stable` says. A timer, for what is reverted."""

    name = "time-passed"
    needs = frozenset[str]()

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Answer yes."""
        del world, subject, parameters
        return Reading(Verdict.TRUE, "it lasts as long as its step says")


class PoolStarving:
    """True where the pool that the label `pool` names has no open slot and tasks wait for one."""

    name = "pool-starving"
    needs = frozenset({"airflow"})

    @unknown_if("the pools cannot be read")
    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Read the pool as the scheduler counts it."""
        name = str(parameters.get("pool") or subject.labels.get("pool", ""))
        pool = next((one for one in world.rest.pools() if one.name == name), None)
        if pool is None:
            return Reading(Verdict.UNKNOWN, f"Airflow has no pool {name or 'without a name'}")
        starving = pool.slots >= 0 and pool.open <= 0 and pool.scheduled > 0
        sentence = f"pool {name}: {pool.running} of {pool.slots} slots run, {pool.scheduled} wait"
        return Reading(truth(starving), sentence, {"slots": pool.slots, "waiting": pool.scheduled})


class PoolFlowing:
    """True where the pool has an open slot, or no task waits for one."""

    name = "pool-flowing"
    needs = PoolStarving.needs

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Answer the opposite of `pool-starving`."""
        return opposite(PoolStarving().read(world, subject, parameters))


class DagFloods:
    """True where one DAG has more than `share` of the waiting tasks, and others wait too.

    Parameters:
        share: The share (0.4).
        least: Tasks that have to wait at least (50).
    """

    name = "dag-floods"
    needs = frozenset({"airflow"})

    @unknown_if("what waits cannot be read")
    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Count what waits, by DAG."""
        del subject
        flood = flooding_dag(world.rest, parameters)
        return Reading(truth(flood.floods), flood.sentence, {"dag_id": flood.dag_id})


class NoDagFloods:
    """True where no DAG has more than `share` (0.4) of at least `least` (50) waiting tasks."""

    name = "no-dag-floods"
    needs = DagFloods.needs

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Answer the opposite of `dag-floods`."""
        return opposite(DagFloods().read(world, subject, parameters))


class QueuedTasksLost:
    """True where tasks are queued for long, their queue is empty, and workers of it have free slots.

    Parameters:
        older: Seconds that a task must have been queued (300).

    Then no message stands for them any more: waiting longer brings them no nearer. Where the queue is
    not empty, or its workers are busy, they wait in turn.
    """

    name = "queued-tasks-lost"
    needs = frozenset({"airflow", "broker", "workers"})

    @unknown_if("the queue cannot be read")
    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Compare Airflow's queued tasks with what the broker and the workers hold."""
        queue = subject.labels.get("queue", "default")
        older = timedelta(seconds=float(parameters.get("older", 300)))
        hung = _queued(world.rest, queue, world, older)
        waiting = sum(world.queues.queue_depths([queue]).values())
        serving = [one for one in world.celery.workers() if queue in one.queues]
        free = sum(max(0, one.concurrency - one.active - one.reserved) for one in serving)
        sentence = (
            f"{len(hung)} tasks of queue {queue} are queued for over {older.total_seconds():.0f} s,"
            f" {waiting} messages wait, {free} slots of {len(serving)} workers are free"
        )
        lost = bool(hung) and waiting == 0 and free > 0
        return Reading(truth(lost), sentence, {"queued": len(hung), "waiting": waiting})


class QueuedTasksYoung:
    """True where no task of the queue that the labels name has been queued for `older` seconds (600)."""

    name = "queued-tasks-young"
    needs = frozenset({"airflow"})

    @unknown_if("queued tasks cannot be read")
    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Look at Airflow's queued tasks alone."""
        queue = subject.labels.get("queue", "default")
        older = timedelta(seconds=float(parameters.get("older", 600)))
        hung = _queued(world.rest, queue, world, older)
        sentence = (
            f"{len(hung)} tasks of queue {queue} are queued for over {older.total_seconds():.0f} s"
        )
        return Reading(truth(not hung), sentence, {"queued": len(hung)})


class FewTasksWait:
    """True where at most `most` tasks (500) of DAGs that are not paused are scheduled or queued."""

    name = "few-tasks-wait"
    needs = frozenset({"airflow"})

    @unknown_if("what waits cannot be read")
    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Count them, up to a little more than matters."""
        del subject
        waiting = waiting_by_dag(world.rest).total()
        few = waiting <= int(parameters.get("most", 500))
        return Reading(truth(few), f"{waiting} tasks wait", {"waiting": waiting})


def _queued(airflow: Airflow, queue: str, world: World, older: timedelta) -> list[TaskInstance]:
    """Return the tasks that have been queued for long and were never started.

    Raises:
        UnavailableError: None of those that were looked at, and there are more.
    """
    before = world.clock.now() - older
    queued = airflow.task_instances(states=("queued",), queues=(queue,), limit=_QUEUED + 1)
    hung = [
        task
        for task in queued
        if not task.hostname and task.queued_when is not None and task.queued_when <= before
    ]
    if not hung and len(queued) > _QUEUED:
        raise UnavailableError(f"more than {_QUEUED} tasks of queue {queue} are queued")
    return hung
