"""`tasks.retry`: a second chance for tasks that the platform killed, where that can do no harm."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any

from airwarden.core.counting import counted
from airwarden.core.errors import UnavailableError
from airwarden.core.failures import Cause, Verdict
from airwarden.core.platform import DagRun, TaskInstance, TaskKey
from airwarden.core.ports import Airflow
from airwarden.remediation.actions.base import Danger, Effect, Nothing, Plan, Refused
from airwarden.remediation.actions.breaker import BROKER, is_open
from airwarden.remediation.actions.tasks import (
    IDEMPOTENT,
    LOOKED_AT,
    UNSEEN,
    TasksRequeue,
    cleared_within,
)
from airwarden.remediation.sampling import of_every_dag
from airwarden.remediation.timed import NOT_BEFORE
from airwarden.remediation.world import FailureCauses, Ledger, Subject, World

#: Seconds: as long as the journal remembers by default.
_EVER = 30 * 86_400.0
#: The first retry waits at most so many seconds, each further try twice as long, up to the cap.
_BASE, _CAP = 30.0, 1800.0
_SHOWN = 30
#: Events by which Airflow gave a task up that it did not hear of.
_SILENT = ("heartbeat timeout", "zombie")
#: On so many hosts, and most of those that there are, within so many seconds, it is not the hosts.
_HOSTS, _LATELY = 3, 300.0
#: What tells that a task was killed for its memory: with the same memory it would be again.
_MEMORY = ("memory", "oom", "exit:137", "signal:9")


@dataclass(frozen=True, slots=True)
class _Judged:
    task: TaskInstance
    verdict: Verdict


class TasksRetry(TasksRequeue):
    """Clear tasks that infrastructure killed after their last try, each after a random, growing delay.

    Parameters:
        lead: Seconds before the alert began from which failures count as its own (900).
        tasks: Failed tasks whose cause is read for one plan at most; each may be a log (50). Those that
            may be cleared come first, and of every DAG some; the others are read for the next plan.
        batch, runs: As for `tasks.requeue`.
        base, cap: Seconds: try n is begun after a random time up to base * 2^n, at most cap (30, 1800).

    The cause of each failure is read, and kept as evidence. Only tasks of DAGs tagged
    `auto-heal:idempotent` are cleared, or such as never started; not those of a paused DAG, not where a
    later run of the DAG has succeeded since, and a task killed for its memory once only. A task instance gets one
    clear a day. While heartbeats time out on most hosts, or the broker's breaker is open, nothing is cleared:
    what was killed may still run, or would be killed again.
    """

    name = "tasks.retry"
    danger = Danger.A
    needs = frozenset({"airflow", "ledger", "causes"})
    deadline = 20.0

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        """Read why each task failed, and choose those that the platform killed."""
        airflow, ledger = world.rest, world.ledger
        if ledger is None or world.causes is None:
            raise UnavailableError("no journal tells what was cleared, or nothing reads causes")
        if is_open(world, BROKER):
            return Refused("breaker broker is open: nothing is retried", cause="broker out")
        since = subject.started_at - timedelta(seconds=float(parameters.get("lead", 900)))
        found = airflow.task_instances(states=("failed",), updated_after=since, limit=LOOKED_AT + 1)
        failed = [task for task in found if task.end_date is None or task.end_date >= since]
        unseen = [UNSEEN] if len(found) > LOOKED_AT else []
        if not failed:
            return Nothing("; ".join(["no task has failed for good since then", *unseen]))
        failed = _promising_first(airflow, failed)
        judged = _judge(world.causes, failed, int(parameters.get("tasks", 50)))
        killed = [one for one in judged if one.verdict.cause is Cause.INFRASTRUCTURE]
        if reason := _everywhere(world, killed):
            return Refused(
                reason,
                cause="heartbeats time out everywhere",
                evidence={"causes": [_words(one) for one in killed[:_SHOWN]]},
            )
        chosen, left = self._choose(airflow, killed, ledger, world.cluster)
        effects, refused, later = self._timed(world, chosen, ledger, parameters)
        unread = len(failed) - len(judged)
        evidence = {
            "causes": [_words(one) for one in judged[:_SHOWN]],
            "failed": len(failed),
            "not_read": unread,
            "killed_by_the_platform": len(killed),
            "tries_burned": sum(one.task.try_number for one in killed),
            "for_owner": left[:_SHOWN],
            "left": refused,
        }
        more = [counted(later, "task")] if later else []
        more += [f"{counted(unread, 'failure')} not read yet"] if unread else []
        if not effects:
            said = f"{len(killed)} of {counted(len(judged), 'failure')} are the platform's"
            none = f"{said}, and none may be retried"
            return Nothing("; ".join([none, *unseen]), evidence, "; ".join(more))
        return Plan(tuple(effects), evidence, "; ".join([*more, *unseen]))

    def _choose(
        self, airflow: Airflow, killed: Sequence[_Judged], ledger: Ledger, cluster: str
    ) -> tuple[dict[tuple[str, str], list[TaskInstance]], list[str]]:
        """Return the tasks that may be cleared, by run, and why the others may not."""
        dags = {dag.dag_id: dag for dag in airflow.dags()} if killed else {}
        chosen: dict[tuple[str, str], list[TaskInstance]] = defaultdict(list)
        left: list[str] = []
        runs_of = cache(partial(airflow.dag_runs, limit=25))
        again: Collection[TaskKey] = ()
        if any(_for_memory(one.verdict) for one in killed):
            again = cleared_within(_EVER, ledger, cluster, (self.name,))
        for one in killed:
            key = one.task.key
            run = (key.dag_id, key.run_id)
            dag = dags.get(key.dag_id)
            if dag is None or dag.is_paused:
                why = "its DAG is paused or gone"
            elif one.task.hostname and IDEMPOTENT not in dag.tags:
                why = f"its DAG is not tagged {IDEMPOTENT}"
            elif _succeeded_since(runs_of(key.dag_id), one.task):
                why = "a later run has succeeded"
            elif _for_memory(one.verdict) and key in again:
                why = "killed for its memory again: the same memory would not do"
            else:
                chosen[run].append(one.task)
                continue
            left.append(f"{_name(one.task)}: {why}")
        return chosen, left

    def _timed(
        self,
        world: World,
        chosen: Mapping[tuple[str, str], Sequence[TaskInstance]],
        ledger: Ledger,
        parameters: Mapping[str, Any],
    ) -> tuple[list[Effect], list[str], int]:
        """Return what `_effects` does, the earliest first, each with the moment before which it waits."""
        base, cap = float(parameters.get("base", _BASE)), float(parameters.get("cap", _CAP))
        effects, refused, later = self._effects(world, chosen, ledger, {**parameters, "spread": 0})
        timed: list[tuple[datetime, Effect]] = []
        for effect in effects:
            tasks = chosen[str(effect.parameters["dag_id"]), str(effect.parameters["run_id"])]
            moment = max(
                due(task, base, cap, world.clock.now())
                for task in tasks
                if task.id in effect.before["ids"].values()
            )
            parameters_of = {**effect.parameters, NOT_BEFORE: moment.isoformat()}
            timed.append((moment, _with(effect, parameters_of)))
        timed.sort(key=lambda one: (one[0], one[1].target))
        return [effect for _, effect in timed], refused, later


def _judge(causes: FailureCauses, failed: Sequence[TaskInstance], most: int) -> list[_Judged]:
    """Return those whose cause is known, so many of them read now at most."""
    judged: list[_Judged] = []
    for task in failed:
        if (verdict := causes.known(task)) is None:
            if not most:
                continue
            verdict, most = causes.of(task), most - 1
        judged.append(_Judged(task, verdict))
    return judged


def _everywhere(world: World, killed: Sequence[_Judged]) -> str:
    """Return why the tasks' own hosts are not what took them, or nothing: most hosts are affected.

    Then what heartbeats go through is slow or away, healthy tasks are given up, and many of them still run.
    """
    since = world.clock.now() - timedelta(seconds=_LATELY)
    hosts = {
        one.task.hostname
        for one in killed
        if one.verdict.event in _SILENT and one.task.end_date and one.task.end_date >= since
    } - {""}
    if len(hosts) < _HOSTS or world.workers is None:
        return ""
    serving = {worker.hostname.rpartition("@")[2] for worker in world.workers.workers()}
    if len(hosts) * 2 <= len(serving):
        return ""
    return (
        f"heartbeats timed out lately on {len(hosts)} hosts, and workers answer on {len(serving)}"
    )


def _promising_first(airflow: Airflow, failed: Sequence[TaskInstance]) -> list[TaskInstance]:
    """Return those first that may be cleared, should the platform have killed them."""
    marked = {dag.dag_id for dag in airflow.dags(tags=(IDEMPOTENT,))}
    return sorted(
        of_every_dag(failed), key=lambda task: bool(task.hostname) and task.key.dag_id not in marked
    )


def due(task: TaskInstance, base: float, cap: float, now: datetime) -> datetime:
    """Return when a task may be tried again: full jitter, the same at each look.

    The jitter comes of the task instance's id, so that planning again moves nothing, and tasks that
    failed together do not come back together.
    """
    highest = min(cap, base * 2.0 ** min(task.try_number, 16))
    share = int(hashlib.sha256(task.id.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    return (task.end_date or now) + timedelta(seconds=round(highest * share, 3))


def _with(effect: Effect, parameters: Mapping[str, Any]) -> Effect:
    return Effect(
        effect.action,
        effect.target,
        parameters,
        effect.before,
        effect.summary,
        effect.generation,
    )


def _for_memory(verdict: Verdict) -> bool:
    said = f"{verdict.why} {verdict.code}".lower()
    return any(word in said for word in _MEMORY)


def _succeeded_since(runs: Sequence[DagRun], task: TaskInstance) -> bool:
    """Return whether a run of the DAG that is newer than the task's has succeeded; the newest come first."""
    mine = next((n for n, run in enumerate(runs) if run.run_id == task.key.run_id), None)
    newer = runs if mine is None else runs[:mine]
    return any(run.state == "success" for run in newer)


def _name(task: TaskInstance) -> str:
    key = task.key
    mapped = f"[{key.map_index}]" if key.map_index >= 0 else ""
    return f"{key.dag_id} {key.run_id} {key.task_id}{mapped}"


def _words(one: _Judged) -> str:
    told = f" ({one.verdict.source})" if one.verdict.source else ""
    return f"{_name(one.task)}: {one.verdict.cause.value}, {one.verdict.why}{told}"
