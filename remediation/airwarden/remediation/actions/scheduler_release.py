"""`scheduler.release`: restart one scheduler, and not all, where its slots only look taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airwarden.core.platform import Component, ProcessState
from airwarden.remediation.actions.base import Danger, Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.actions.process import facts, replace, replaced, restart_effect
from airwarden.remediation.components import (
    HEARTBEAT_LATE,
    database_pace,
    read_jobs,
    without_heartbeat,
)
from airwarden.remediation.executor import PARALLELISM, executor_load
from airwarden.remediation.world import Json, Subject, World


class SchedulerRelease:
    """Restart the scheduler that has run for longest, where tasks that no worker has take up the executor's slots.

    Parameters:
        parallelism: Airflow's `[core] parallelism`, for each scheduler (32).
        least: By how many Airflow must count more running tasks than the workers have (2).

    It refuses where the executor has room, or the workers are busy: then the cause lies elsewhere. And it
    refuses where only one scheduler runs, one of them is late, or the metadata database is slow. One is
    restarted, in an incident once: its pod is evicted on Kubernetes.
    """

    name = "scheduler.release"
    danger = Danger.B
    needs = frozenset({"airflow", "host", "workers"})
    deadline = 30.0
    decidable = True
    undecidable = ("the process is no longer supervised",)

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        """See that slots only look taken, and choose one scheduler."""
        load = executor_load(world, int(parameters.get("parallelism", PARALLELISM)))
        seen = f"{load.tasks.sentence}; {load.sentence}"
        evidence: Json = {"executor": seen}
        if not load.tasks.full or not load.phantom(int(parameters.get("least", 2))):
            return Refused(f"{seen}: a restart would release nothing", evidence=evidence)
        every = world.supervisor.processes(Component.SCHEDULER)
        running = [one for one in every if one.state is ProcessState.RUNNING]
        evidence = {**evidence, "schedulers": [facts(one) for one in running]}
        if any(one.started_at and one.started_at > subject.started_at for one in running):
            return Nothing("a scheduler was replaced since the alert began", evidence)
        if len(running) < 2:
            return Refused("only one scheduler runs: nothing would schedule", evidence=evidence)
        now, jobs = world.clock.now(), read_jobs(world, Component.SCHEDULER)
        if without_heartbeat(running, jobs, now, HEARTBEAT_LATE):
            return Refused("a scheduler is late: that comes first", evidence=evidence)
        if (pace := database_pace(world)).slow:
            return Refused(
                f"{pace.sentence}: a restart would only add load",
                cause="metadata database slow",
                evidence=evidence,
            )
        oldest = min(running, key=lambda one: (one.started_at or now, one.name))
        return Plan((restart_effect(self.name, world.cluster, oldest),), evidence)

    def apply(self, world: World, effect: Effect) -> Json:
        """Replace the incarnation that was planned for."""
        return replace(world, effect)

    def read_back(self, world: World, effect: Effect) -> ReadBack:
        """Compare the incarnation on the host with the planned one."""
        return replaced(world, effect)

    def undo(self, world: World, effect: Effect) -> Plan | Nothing | Refused:
        """Answer that a restart has no way back."""
        del world, effect
        return Nothing("a restart cannot be taken back")
