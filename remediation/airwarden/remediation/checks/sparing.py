"""Checks on workers that the load does not ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airwarden.core.errors import AirwardenError
from airwarden.remediation.checks.base import Reading, Verdict
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

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Ask for the decision."""
        del subject, parameters
        try:
            seen = spare(world)
        except AirwardenError as error:
            return Reading(Verdict.UNKNOWN, f"how busy the workers are cannot be read: {error}")
        if seen.decision is None:
            return Reading(Verdict.TRUE, seen.refusal or seen.waits)
        verdict = Verdict.FALSE if seen.decision.move is Move.HOLD else Verdict.TRUE
        return Reading(verdict, seen.decision.why)


class WorkerSpare:
    """True where a worker that may go has no task now, or where none may go as things are."""

    name = "worker-spare"
    needs = WorkersIdle.needs

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Look which of them would be drained."""
        del subject, parameters
        try:
            seen = spare(world)
        except AirwardenError as error:
            return Reading(Verdict.UNKNOWN, f"the workers cannot be read: {error}")
        if seen.going:
            return Reading(Verdict.TRUE, f"without a task: {', '.join(p.name for p in seen.going)}")
        return Reading(Verdict.TRUE if seen.refusal else Verdict.FALSE, seen.refusal or seen.waits)


class WorkersSuffice:
    """True where what runs and waits is less than `auto_scaling`'s upper threshold of the workers' slots."""

    name = "workers-suffice"
    needs = frozenset({"prometheus"})

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Look at the newest measurement."""
        del subject, parameters
        if world.scaling is None:
            return Reading(Verdict.TRUE, "no auto_scaling says how many there have to be")
        try:
            seen = latest(world, world.scaling)
        except AirwardenError as error:
            return Reading(Verdict.UNKNOWN, f"how busy the workers are cannot be read: {error}")
        taken = seen.demand / seen.nodes
        sentence = f"{taken:.0%} of the slots of {seen.nodes} workers are asked for"
        return Reading(Verdict.TRUE if taken < world.scaling.up else Verdict.FALSE, sentence)
