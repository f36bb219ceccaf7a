"""`tasks.requeue`: clear what an outage failed, where a second start can do no harm."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from airwarden.core.counting import counted
from airwarden.core.errors import ConflictError, NotFoundError, UnavailableError
from airwarden.core.platform import TaskInstance, TaskKey
from airwarden.core.ports import Airflow
from airwarden.remediation.actions.base import Danger, Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.actions.breaker import BROKER, is_open
from airwarden.remediation.actions.dags import dependency_tags
from airwarden.remediation.world import Json, Ledger, Subject, World

IDEMPOTENT = "auto-heal:idempotent"
_DAY = 86_400.0
_STATES = ("failed", "queued")
_FOR_OWNER = 50
#: The actions that clear: together they do it once a day for a run.
_CLEARING = ("tasks.requeue", "tasks.retry")
#: Failed and queued tasks that one plan looks at.
LOOKED_AT = 5000
#: Said where there are more of them.
UNSEEN = f"more than {LOOKED_AT} tasks failed or hang, and the others are not seen yet"


class TasksRequeue:
    """Clear tasks that never started, or whose DAG carries `auto-heal:idempotent`; once a day.

    Parameters:
        scope: `dependency` (default): tasks in the dependency's pools or DAGs; `all`: every task;
            `queue`: those of the Celery queue that the label `queue` names.
        hung: Seconds that a queued task must have been queued (60).
        lead: Seconds before the alert began from which failures count as its own (300).
        batch: Task instances of one DAG run that one clear has at most (20).
        runs: Clears of one plan at most (20); what is left is planned after it.
        spread: Seconds over which each clear is delayed at random (2).

    A clear gives a whole new set of retries, so a task instance gets one a day. What is not touched is
    listed for its owner. While the breaker of the dependency or of the broker is open, it refuses.
    """

    name = "tasks.requeue"
    danger = Danger.A
    needs = frozenset({"airflow", "ledger"})
    deadline = 20.0
    decidable = True
    undecidable = ("some of the tasks were cleared and some were not", "the tasks are gone")

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        """Choose the tasks that the outage hit, and part what may be repeated from what may not."""
        airflow, ledger = world.rest, world.ledger
        if ledger is None:
            raise UnavailableError("no journal tells what was cleared today")
        for name in (BROKER, subject.labels.get("dependency", "")):
            if is_open(world, name):
                return Refused(f"breaker {name} is open: nothing is re-queued", cause=f"{name} out")
        found = self._found(world, subject, parameters)
        hit = self._hit(found, world, subject, parameters)
        unseen = [UNSEEN] if len(found) > LOOKED_AT else []
        if not hit:
            return Nothing("; ".join(["no task failed or hangs since the alert began", *unseen]))
        idempotent = {dag.dag_id for dag in airflow.dags(tags=(IDEMPOTENT,))}
        by_run: dict[tuple[str, str], list[TaskInstance]] = defaultdict(list)
        for_owner: list[TaskInstance] = []
        for task in hit:
            allowed = never_started(task) or (
                task.state == "failed" and task.key.dag_id in idempotent
            )
            if allowed:
                by_run[task.key.dag_id, task.key.run_id].append(task)
            elif task.state == "failed":
                for_owner.append(task)
        effects, left, beyond = self._effects(world, by_run, ledger, parameters)
        evidence = {
            "for_owner": [_word(task) for task in for_owner[:_FOR_OWNER]],
            "for_owner_total": len(for_owner),
            "left": left,
        }
        if not effects:
            owners = f"{len(for_owner)} failed tasks are left to their owners"
            return Nothing("; ".join([owners, *unseen]), evidence)
        more = [counted(beyond, "task")] if beyond else []
        return Plan(tuple(effects), evidence, "; ".join([*more, *unseen]))

    def _found(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Sequence[TaskInstance]:
        """Return the tasks in scope that failed or are queued; more than `LOOKED_AT` are not all."""
        airflow, since = world.rest, _since(subject, parameters)
        scope = parameters.get("scope", "dependency")
        if scope == "dependency":
            return self._of_dependency(airflow, world, subject, since)
        queues = (subject.labels.get("queue", "default"),) if scope == "queue" else ()
        return airflow.task_instances(
            states=_STATES, queues=queues, updated_after=since, limit=LOOKED_AT + 1
        )

    def _hit(
        self,
        found: Sequence[TaskInstance],
        world: World,
        subject: Subject,
        parameters: Mapping[str, Any],
    ) -> list[TaskInstance]:
        """Return those that failed or were queued since shortly before the alert."""
        since, hung = _since(subject, parameters), float(parameters.get("hung", 60))
        return [task for task in found if _within(task, since, world.clock.now(), hung)]

    def _of_dependency(
        self, airflow: Airflow, world: World, subject: Subject, since: datetime
    ) -> list[TaskInstance]:
        dependency = world.dependencies.get(subject.labels.get("dependency", ""))
        tags = dependency_tags(world, subject)
        dags = [dag.dag_id for dag in airflow.dags(tags=tags)] if tags else []
        pools = dependency.pools if dependency else ()
        found: dict[TaskKey, TaskInstance] = {}
        if pools:
            in_pools = airflow.task_instances(
                states=_STATES, pools=pools, updated_after=since, limit=LOOKED_AT + 1
            )
            found.update({task.key: task for task in in_pools})
        if dags:
            in_dags = airflow.task_instances(
                states=_STATES, dag_ids=dags, updated_after=since, limit=LOOKED_AT + 1
            )
            found.update({task.key: task for task in in_dags})
        return list(found.values())

    def _effects(
        self,
        world: World,
        by_run: Mapping[tuple[str, str], Sequence[TaskInstance]],
        ledger: Ledger,
        parameters: Mapping[str, Any],
    ) -> tuple[list[Effect], list[str], int]:
        """Return one effect a batch of a DAG run, what is left out with the reason, and how many are for later."""
        batch, most = int(parameters.get("batch", 20)), int(parameters.get("runs", 20))
        spread = float(parameters.get("spread", 2))
        cleared = cleared_within(_DAY, ledger, world.cluster, _CLEARING)
        effects: list[Effect] = []
        left: list[str] = []
        later = 0
        for (dag_id, run_id), tasks in sorted(by_run.items()):
            target = f"{world.cluster}/dagrun/{dag_id}/{run_id}"
            left += [
                f"{_word(task)}: was cleared within a day" for task in tasks if task.key in cleared
            ]
            rest = sorted((t for t in tasks if t.key not in cleared), key=lambda one: one.key)
            for begin in range(0, len(rest), batch):
                part = rest[begin : begin + batch]
                if len(effects) < most:
                    effects.append(self._effect(target, part, spread))
                else:
                    later += len(part)
        return effects, left, later

    def _effect(self, target: str, tasks: Sequence[TaskInstance], spread: float) -> Effect:
        key = tasks[0].key
        return Effect(
            action=self.name,
            target=target,
            parameters={
                "dag_id": key.dag_id,
                "run_id": key.run_id,
                "tasks": [[task.key.task_id, task.key.map_index] for task in tasks],
                "spread": spread,
            },
            before={
                "ids": {_short(task.key): task.id for task in tasks},
                "never_started": [_short(task.key) for task in tasks if never_started(task)],
            },
            summary=f"re-queue {counted(len(tasks), 'task')} of {key.dag_id} {key.run_id}",
            generation=",".join(sorted(task.id for task in tasks)),
        )

    def apply(self, world: World, effect: Effect) -> Json:
        """Clear those that are still what was planned for, after a random delay.

        Raises:
            ConflictError: None of them is, or Airflow would clear others as well.
        """
        spread = float(effect.parameters["spread"])
        if spread and world.clock.wait(random.uniform(0, spread)):  # noqa: S311 - a delay
            raise ConflictError("Airwarden is being stopped: nothing was cleared")
        airflow = world.rest
        same = [
            task.key
            for task in _now(airflow, effect)
            if task.id == effect.before["ids"][_short(task.key)]
            and task.state in _STATES
            # What was chosen because no worker had it may have been started, and failed, since.
            and (never_started(task) or _short(task.key) not in effect.before["never_started"])
        ]
        if not same:
            raise ConflictError("the tasks have changed since they were planned for")
        cleared = airflow.clear(same, note=f"Airwarden: {effect.summary} after an outage")
        return {"cleared": [_short(task.key) for task in cleared]}

    def read_back(self, world: World, effect: Effect) -> ReadBack:
        """Compare the tasks' ids: a clear gives each a new one."""
        now = _now(world.rest, effect)
        changed = {task.id != effect.before["ids"][_short(task.key)] for task in now}
        if changed == {True}:
            return ReadBack.DONE
        return ReadBack.NOT_DONE if changed == {False} else ReadBack.UNDECIDABLE

    def undo(self, world: World, effect: Effect) -> Plan | Nothing | Refused:
        """Answer that a clear has no way back."""
        del world, effect
        return Nothing("a clear cannot be taken back")


def cleared_within(
    seconds: float, ledger: Ledger, cluster: str, actions: Collection[str]
) -> frozenset[TaskKey]:
    """Return the task instances that these actions have cleared in so many seconds, or may have."""
    begun = ledger.begun(cluster, actions, within=seconds)
    return frozenset(key for one in begun for key in _keys(one.parameters))


def never_started(task: TaskInstance) -> bool:
    """Return whether no worker ever had it: Airflow writes the host's name when a task starts."""
    return not task.hostname and task.state in _STATES


def _since(subject: Subject, parameters: Mapping[str, Any]) -> datetime:
    """Return from when on failures are the alert's own."""
    return subject.started_at - timedelta(seconds=float(parameters.get("lead", 300)))


def _within(task: TaskInstance, since: datetime, now: datetime, hung: float) -> bool:
    """Return whether it failed since then, or has hung in the queue for so many seconds since then."""
    if task.state == "queued":
        queued = task.queued_when
        return queued is not None and queued >= since and now - queued > timedelta(seconds=hung)
    ended = task.end_date or task.queued_when
    return ended is not None and ended >= since


def _now(airflow: Airflow, effect: Effect) -> list[TaskInstance]:
    """Return the effect's tasks as they are now, without those that are gone."""
    found = []
    for key in _keys(effect.parameters):
        try:
            found.append(airflow.task_instance(key))
        except NotFoundError:
            continue
    return found


def _keys(parameters: Mapping[str, Any]) -> Iterable[TaskKey]:
    dag_id, run_id = str(parameters["dag_id"]), str(parameters["run_id"])
    for task_id, map_index in parameters["tasks"]:
        yield TaskKey(dag_id, run_id, str(task_id), int(map_index))


def _short(key: TaskKey) -> str:
    return f"{key.task_id}[{key.map_index}]"


def _word(task: TaskInstance) -> str:
    return f"{task.key.dag_id} {task.key.run_id} {_short(task.key)}"
