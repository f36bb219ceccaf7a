"""Checks on tasks that the platform killed, and on sessions that others wait for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airwarden.core.failures import Cause
from airwarden.core.platform import DatabaseSession
from airwarden.remediation.checks.base import Reading, Verdict, truth, unknown_if
from airwarden.remediation.sampling import of_every_dag
from airwarden.remediation.sessions import HIDDEN, blockers, hidden, idle_in_transaction
from airwarden.remediation.world import Subject, World


class KilledTasks:
    """True where the platform killed tasks since shortly before the alert, whether they are tried again or not.

    Parameters:
        lead: Seconds before the alert began from which failures count (900).
        tasks: Failed tasks whose cause is read at most, of every DAG some (50).
    """

    name = "killed-tasks"
    needs = frozenset({"airflow", "causes"})

    @unknown_if("why tasks failed cannot be read")
    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Read why each failed."""
        if world.causes is None:
            return Reading(Verdict.UNKNOWN, "why tasks failed is read nowhere")
        since = subject.started_at - timedelta(seconds=float(parameters.get("lead", 900)))
        failed = [
            task
            for task in world.rest.task_instances(
                states=("failed", "up_for_retry"), updated_after=since
            )
            if task.end_date is None or task.end_date >= since
        ]
        looked_at = of_every_dag(failed)[: int(parameters.get("tasks", 50))]
        causes = [world.causes.of(task).cause for task in looked_at]
        killed = sum(cause is Cause.INFRASTRUCTURE for cause in causes)
        sentence = f"{killed} of {len(looked_at)} failed tasks were killed by the platform"
        return Reading(truth(killed > 0), sentence, {"failed": len(failed), "killed": killed})


class DatabaseBlocker:
    """True where a session sits idle in a transaction for long and others wait for it.

    Parameters:
        idle_for: Seconds (60).
    """

    name = "database-blocker"
    needs = frozenset({"database"})

    @unknown_if("sessions cannot be read")
    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Look for the sessions at the root of what waits."""
        del subject
        sessions = world.metadata.sessions()
        if hidden(sessions):
            return Reading(Verdict.UNKNOWN, HIDDEN)
        found = blockers(sessions, idle_for=float(parameters.get("idle_for", 60)))
        if not found:
            return Reading(Verdict.FALSE, "nobody waits for an idle session")
        return Reading(Verdict.TRUE, _words(found[0]))


class TransactionsShort:
    """True where no session has been idle in a transaction for `idle_for` seconds (300)."""

    name = "transactions-short"
    needs = frozenset({"database"})

    @unknown_if("sessions cannot be read")
    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Look for the longest."""
        del subject
        sessions = world.metadata.sessions()
        if hidden(sessions):
            return Reading(Verdict.UNKNOWN, HIDDEN)
        idle = idle_in_transaction(sessions)
        if not idle:
            return Reading(Verdict.TRUE, "no session is idle in a transaction")
        short = idle[0].state_age < float(parameters.get("idle_for", 300))
        return Reading(truth(short), _words(idle[0]))


def _words(one: DatabaseSession) -> str:
    return (
        f"session {one.pid} of {one.application or 'no name'} has been idle in a transaction for"
        f" {one.state_age:.0f} s, and {len(one.blocks)} wait for it"
    )
