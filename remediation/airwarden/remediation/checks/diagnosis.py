"""Checks that tell whoever is called what is the matter: true where it is this. They confirm and verify nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from airwarden.core.counting import counted
from airwarden.core.errors import AirwardenError
from airwarden.core.platform import Component, TaskInstance
from airwarden.remediation.checks.base import Reading, Verdict, truth, unknown_if
from airwarden.remediation.components import database_pace, is_late, read_jobs
from airwarden.remediation.executor import PARALLELISM, executor_load, executor_tasks
from airwarden.remediation.headroom import connection_headroom
from airwarden.remediation.world import Subject, World

_NO_AIRFLOW = "no Airflow REST API is configured"
#: Named one by one; the rest is counted.
_NAMED = 3
#: Characters of a reason of Airflow's.
_REASON = 160


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


class PoolsFull:
    """True where a pool has no open slot and tasks wait for one."""

    name = "pools-full"
    needs = frozenset({"airflow"})

    @unknown_if("the pools cannot be read")
    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Read every pool as the scheduler counts it."""
        del subject, parameters
        pools = world.rest.pools()
        full = [p for p in pools if p.slots >= 0 and p.open <= 0 and p.scheduled > 0]
        if not full:
            return Reading(Verdict.FALSE, f"none of {len(pools)} pools is full while tasks wait")
        names = [f"{p.name} ({counted(p.slots, 'slot')}, {p.scheduled} wait)" for p in full]
        return Reading(Verdict.TRUE, f"full pools: {_some(names)}")


class ExecutorFull:
    """True where as many tasks are with the executor as the schedulers may have at once.

    Parameters:
        parallelism: Airflow's `[core] parallelism`, for each scheduler (32); Airflow tells it to nobody.
    """

    name = "executor-full"
    needs = frozenset({"airflow"})

    @unknown_if("what the executor has cannot be read")
    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Count what runs and is queued, and the schedulers that beat."""
        del subject
        tasks = executor_tasks(world, int(parameters.get("parallelism", PARALLELISM)))
        return Reading(truth(tasks.full), tasks.sentence)


class PhantomTasks:
    """True where Airflow counts more running tasks than the workers have: their slots only look taken.

    Parameters:
        least: By how many (2): a task that has just begun or ended is counted on one side only.
    """

    name = "phantom-tasks"
    needs = frozenset({"airflow", "workers"})

    @unknown_if("tasks and workers cannot be compared")
    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Compare Airflow's running tasks with what the workers say that they work on."""
        del subject
        load = executor_load(world)
        return Reading(truth(load.phantom(int(parameters.get("least", 2)))), load.sentence)


class TaskHeldBack:
    """True where Airflow names a reason not to start the task that has waited longest."""

    name = "task-held-back"
    needs = frozenset({"airflow"})

    @unknown_if("what holds tasks back cannot be read")
    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Ask for its dependencies, in Airflow's own words."""
        del subject, parameters
        paused = {dag.dag_id for dag in world.rest.dags() if dag.is_paused}
        waiting = [
            task
            for task in world.rest.task_instances(states=("scheduled",))
            if task.key.dag_id not in paused
        ]
        if not waiting:
            return Reading(Verdict.FALSE, "no task is scheduled and waits to be queued")
        longest = min(waiting, key=lambda task: task.scheduled_when or world.clock.now())
        reasons = world.rest.held_back(longest.key)
        name = f"{longest.key.dag_id}.{longest.key.task_id}"
        said = "; ".join(reason[:_REASON] for reason in reasons[:_NAMED])
        if not reasons:
            return Reading(
                Verdict.FALSE,
                f"nothing holds {name} back, of {len(waiting)} that wait: it is the schedulers' turn",
            )
        return Reading(Verdict.TRUE, f"{name} has waited longest of {len(waiting)}: {said}")


class DeferredStuck:
    """True where deferred tasks are with a triggerer that does not beat, with none, or do not move.

    Parameters:
        older: Seconds that a task must have been deferred to count (600).

    Work that waits for hours on purpose is deferred for as long: the class of the trigger, whose owner
    knows, is named with how many of it wait on which triggerer.
    """

    name = "deferred-stuck"
    needs = frozenset({"airflow"})

    @unknown_if("deferred tasks cannot be read")
    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Read deferred tasks with their triggers, and which triggerers beat."""
        del subject
        older = timedelta(seconds=float(parameters.get("older", 600)))
        deferred = world.rest.task_instances(states=("deferred",))
        jobs = read_jobs(world, Component.TRIGGERER)
        now = world.clock.now()
        alive = {job.hostname for job in jobs if not is_late(job, now)}
        beat = f"beating triggerers: {_some(sorted(alive)) or 'none'}"
        old = [t for t in deferred if t.deferred_since and now - t.deferred_since > older]
        if not old:
            words = f"{len(deferred)} tasks are deferred, none for {older.total_seconds():.0f} s"
            return Reading(Verdict.FALSE, f"{words}; {beat}")
        without = [task for task in old if task.triggerer not in alive]
        return Reading(
            Verdict.TRUE, f"{_of_triggers(old)}; {beat}; {len(without)} wait at none of those"
        )


def _of_triggers(tasks: Sequence[TaskInstance]) -> str:
    counted = Counter((task.trigger, task.triggerer or "no triggerer") for task in tasks)
    names = [
        f"{number} by {trigger.rpartition('.')[2] or 'an unknown trigger'} on {host}"
        for (trigger, host), number in counted.most_common()
    ]
    return f"deferred for long: {_some(names)}"


class ApiServerSlow:
    """True where the API server answers late or not, and says whether the database is why.

    Parameters:
        above: Seconds from which an answer is late (1).
    """

    name = "api-server-slow"
    needs = frozenset({"airflow"})

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Time an answer that needs no database and one that does, then the database itself."""
        del subject
        above = float(parameters.get("above", 1.0))
        plain, first = _timed("an answer without the database", lambda: world.rest.version())
        through, second = _timed("one that reads it", lambda: world.rest.pools())
        late = any(seconds is None or seconds >= above for seconds in (plain, through))
        sentences = [first, second]
        if world.database is not None:
            pace = database_pace(world)
            sentences.append(pace.sentence)
            room = connection_headroom(world)
            if room is not None:
                sentences.append(room.sentence)
            if pace.slow:
                sentences.append("so look at the database first")
            elif late:
                sentences.append(
                    "so it is the API server itself: it hangs, or too much is asked of it"
                )
        return Reading(truth(late), "; ".join(sentences))


def _timed(asked: str, ask: Callable[[], object]) -> tuple[float | None, str]:
    begun = time.monotonic()
    try:
        ask()
    except AirwardenError as error:
        return None, f"{asked} does not come ({error})"
    seconds = time.monotonic() - begun
    return seconds, f"{asked} takes {seconds:.1f} s"
