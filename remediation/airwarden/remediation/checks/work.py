"""Checks on the flow of work: queues, workers, starts of tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airwarden.core.counting import counted
from airwarden.core.errors import UnavailableError
from airwarden.core.platform import Worker
from airwarden.core.ports import Airflow
from airwarden.remediation.checks.base import Reading, Verdict, opposite, truth, unknown_if
from airwarden.remediation.world import Subject, World

_STARTED = ("running", "success", "failed", "up_for_retry", "deferred")
#: Scheduled tasks that are looked at.
_SCHEDULED = 2000


def _waiting_and_free(world: World, subject: Subject) -> tuple[int, int]:
    """Return messages that wait in the queue, and slots that could take them now."""
    queue = subject.labels.get("queue", "default")
    waiting = sum(world.queues.queue_depths([queue]).values())
    serving = [worker for worker in world.celery.workers() if queue in worker.queues]
    free = sum(max(0, worker.concurrency - worker.active) for worker in serving)
    return waiting, free


class QueueDeep:
    """True where more messages wait in the queue than its workers have free slots."""

    name = "queue-deep"
    needs = frozenset({"broker", "workers"})

    @unknown_if("the queue cannot be read")
    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Compare the queue with the slots, so that no threshold needs to be known here."""
        del parameters
        waiting, free = _waiting_and_free(world, subject)
        sentence = f"{waiting} tasks wait, {free} worker slots are free"
        return Reading(truth(waiting > free), sentence, {"waiting": waiting, "free": free})


class QueueDrained:
    """True where at most `most` messages wait in the queue (0).

    Parameters:
        most: Messages that may wait (0).
        longest: Seconds since the fault began after which it reads true all the same, for what must not
            stay for ever (no end).
    """

    name = "queue-drained"
    needs = frozenset({"broker"})

    @unknown_if("the queue cannot be read")
    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Count them."""
        queue = subject.labels.get("queue", "default")
        waiting = sum(world.queues.queue_depths([queue]).values())
        sentence = f"{waiting} tasks wait in queue {queue}"
        longest = float(parameters.get("longest", math.inf))
        lasted = (world.clock.now() - subject.started_at).total_seconds()
        if waiting > int(parameters.get("most", 0)):
            late = lasted >= longest
            return Reading(
                truth(late), f"{sentence}; the longest time has passed" if late else sentence
            )
        return Reading(Verdict.TRUE, sentence)


def _meant(world: World, subject: Subject) -> list[Worker]:
    """Return the workers that the labels mean: one by `hostname` or `process`, else all.

    Raises:
        UnavailableError: The workers, or the supervisor, cannot be asked.
    """
    hostname = subject.labels.get("hostname", "")
    process = subject.labels.get("process", "")
    if not hostname and process and world.host is not None:
        hostname = next(
            (p.celery_hostname for p in world.host.processes() if p.name == process), ""
        )
    return [w for w in world.celery.workers() if not hostname or w.hostname == hostname]


class WorkerSilent:
    """True where a worker that the labels mean answers and consumes from no queue."""

    name = "worker-silent"
    needs = frozenset({"workers"})

    @unknown_if("the workers cannot be asked")
    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Ask for the queues that each consumes."""
        del parameters
        silent = [worker.hostname for worker in _meant(world, subject) if not worker.queues]
        if silent:
            return Reading(Verdict.TRUE, f"consumes nothing: {', '.join(silent)}")
        return Reading(Verdict.FALSE, "every worker that answers consumes")


class WorkerIdle:
    """True where the silent worker has no task."""

    name = "worker-idle"
    needs = frozenset({"workers"})

    @unknown_if("the workers cannot be asked")
    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Ask for active and reserved tasks."""
        del parameters
        silent = [worker for worker in _meant(world, subject) if not worker.queues]
        tasks = sum(worker.active + worker.reserved for worker in silent)
        return Reading(
            truth(not tasks),
            f"{counted(tasks, 'task')} left in {counted(len(silent), 'silent worker')}",
        )


class WorkerConsuming:
    """True where every worker that the labels mean consumes from a queue."""

    name = "worker-consuming"
    needs = frozenset({"workers"})

    @unknown_if("the workers cannot be asked")
    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Ask for the queues; a worker that does not answer is not consuming."""
        del parameters
        meant = _meant(world, subject)
        silent = [worker.hostname for worker in meant if not worker.queues]
        if not meant or silent:
            return Reading(Verdict.FALSE, f"not consuming: {', '.join(silent) or 'no answer'}")
        return Reading(Verdict.TRUE, _consume(len(meant)))


def _consume(number: int) -> str:
    return "1 worker consumes" if number == 1 else f"{number} workers consume"


def _waiting(airflow: Airflow) -> int:
    """Return tasks that wait to start, of each state as far as they are looked at.

    A scheduled task of a paused DAG waits for nobody; a queued one is with the executor, and starts.

    Raises:
        UnavailableError: Those that were looked at wait for nobody, and there are more.
    """
    queued = len(airflow.task_instances(states=("queued",)))
    scheduled = airflow.task_instances(states=("scheduled",), limit=_SCHEDULED + 1)
    if not scheduled:
        return queued
    paused = {dag.dag_id for dag in airflow.dags() if dag.is_paused}
    waiting = queued + sum(task.key.dag_id not in paused for task in scheduled)
    if not waiting and len(scheduled) > _SCHEDULED:
        raise UnavailableError(f"more than {_SCHEDULED} tasks of paused DAGs are scheduled")
    return waiting


class TasksMoving:
    """True where a task has started lately, or none is waiting that a paused DAG does not hold back.

    Parameters:
        within: Seconds that count as lately (60).
    """

    name = "tasks-moving"
    needs = frozenset({"airflow"})

    @unknown_if("task instances cannot be read")
    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Look for one that has started since."""
        del subject
        within = float(parameters.get("within", 60))
        since = world.clock.now() - timedelta(seconds=within)
        if world.rest.task_instances(
            states=_STARTED, updated_after=since, started_after=since, limit=1
        ):
            return Reading(Verdict.TRUE, f"tasks have started within {within:.0f} s")
        waiting = _waiting(world.rest)
        if waiting:
            return Reading(
                Verdict.FALSE, f"{waiting} tasks wait and none started within {within:.0f} s"
            )
        return Reading(Verdict.TRUE, "no task waits")


class TasksStalled:
    """True where tasks wait and none has started for `within` seconds (60)."""

    name = "tasks-stalled"
    needs = frozenset({"airflow"})

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Answer the opposite of `tasks-moving`."""
        return opposite(TasksMoving().read(world, subject, parameters))
