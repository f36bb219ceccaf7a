"""Checks on workers that the load does not ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airwarden.remediation.checks.base import Reading, Verdict, truth, unknown_if
from airwarden.remediation.decide.autoscaling import Move
from airwarden.remediation.fitting import latest
from airwarden.remediation.sparing import spare
from airwarden.remediation.world import Subject, World


class WorkersIdle:
    """True where `auto_scaling` says that fewer workers are enough, or that cannot be judged as things are.

    Then the action says why. False where they are needed, or measurements are missing.
    """

    name = "workers-idle"
    needs = frozenset({"host", "workers", "prometheus", "ledger"})

    @unknown_if("how busy the workers are cannot be read")
    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Ask for the decision."""
        del subject, parameters
        seen = spare(world)
        if seen.decision is None:
            return Reading(Verdict.TRUE, seen.refusal or seen.waits)
        return Reading(truth(seen.decision.move is not Move.HOLD), seen.decision.why)


class WorkerSpare:
    """True where a worker that may go has no task now, or where none may go as things are."""

    name = "worker-spare"
    needs = WorkersIdle.needs

    @unknown_if("the workers cannot be read")
    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Look which of them would be drained."""
        del subject, parameters
        seen = spare(world)
        if seen.going:
            return Reading(Verdict.TRUE, f"without a task: {', '.join(p.name for p in seen.going)}")
        return Reading(truth(bool(seen.refusal)), seen.refusal or seen.waits)


class WorkersSuffice:
    """True where what runs and waits is less than `auto_scaling`'s upper threshold of the workers' slots."""

    name = "workers-suffice"
    needs = frozenset({"prometheus"})

    @unknown_if("how busy the workers are cannot be read")
    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Look at the newest measurement."""
        del subject, parameters
        if world.scaling is None:
            return Reading(Verdict.TRUE, "no auto_scaling says how many there have to be")
        seen = latest(world, world.scaling)
        taken = seen.demand / seen.nodes
        sentence = f"{taken:.0%} of the slots of {seen.nodes} workers are asked for"
        return Reading(truth(taken < world.scaling.up), sentence)
