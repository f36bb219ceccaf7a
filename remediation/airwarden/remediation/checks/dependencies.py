"""Checks on what Airflow relies on: declared dependencies, their canaries, and the broker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airwarden.core.errors import AirwardenError, RejectedError
from airwarden.remediation.actions.canary import canary_dag, canary_runs
from airwarden.remediation.checks.base import Reading, Verdict, opposite, truth, unknown_if
from airwarden.remediation.world import Subject, World


class DependencyAnswers:
    """True where the dependency that the labels name answers its probe."""

    name = "dependency-answers"
    needs = frozenset[str]()

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Probe it now."""
        del parameters
        name = subject.labels.get("dependency", "")
        declared = world.dependencies.get(name)
        if declared is None or declared.probe is None:
            return Reading(Verdict.UNKNOWN, f"no probe is declared for {name or 'it'}")
        up = declared.probe.check()
        return Reading(truth(up), f"{name} {'answers' if up else 'does not answer'}")


class DependencyDown:
    """True where the dependency does not answer its probe."""

    name = "dependency-down"
    needs = frozenset[str]()

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Answer the opposite of `dependency-answers`."""
        return opposite(DependencyAnswers().read(world, subject, parameters))


class CanarySucceeded:
    """True where a canary of this incident has succeeded, or none is declared."""

    name = "canary-succeeded"
    needs = frozenset({"airflow"})

    @unknown_if("the canary cannot be read")
    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Look at the canary's runs."""
        del parameters
        dag = canary_dag(world, subject)
        if dag is None or world.rest is None:
            return Reading(Verdict.TRUE, "no canary is declared: the ramp is the test")
        states = [run.state for run in canary_runs(world.rest, dag.dag_id, subject)]
        seen = ", ".join(states) or "not started"
        return Reading(truth("success" in states), f"canary {dag.dag_id}: {seen}")


class BrokerAnswers:
    """True where the broker answers a PING.

    One that refuses us, a wrong password for example, neither works nor is down: it is unreadable.
    """

    name = "broker-answers"
    needs = frozenset({"broker"})

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Ping it now."""
        del subject, parameters
        if world.broker is None:
            return Reading(Verdict.UNKNOWN, "no broker is configured")
        try:
            seconds = world.broker.ping()
        except RejectedError as error:
            return Reading(Verdict.UNKNOWN, f"the broker does not let us ask: {error}")
        except AirwardenError as error:
            return Reading(Verdict.FALSE, f"the broker does not answer: {error}")
        return Reading(Verdict.TRUE, f"the broker answers in {seconds * 1000:.0f} ms")


class BrokerDown:
    """True where the broker does not answer a PING."""

    name = "broker-down"
    needs = frozenset({"broker"})

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Answer the opposite of `broker-answers`."""
        return opposite(BrokerAnswers().read(world, subject, parameters))
