"""Checks on the metadata database: its pace, its connections, and who blocks scheduling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airwarden.remediation.checks.base import Reading, Verdict, opposite, truth, unknown_if
from airwarden.remediation.components import DATABASE_SLOW, database_pace
from airwarden.remediation.headroom import UNREAD, connection_headroom
from airwarden.remediation.sessions import HIDDEN, hidden, leaking_group, lock_holders
from airwarden.remediation.world import Subject, World


class DatabaseFast:
    """True where the database answers in less than `below` seconds (1)."""

    name = "database-fast"
    needs = frozenset({"database"})

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Probe it; one that does not answer is not fast."""
        del subject
        below = float(parameters.get("below", DATABASE_SLOW))
        pace = database_pace(world)
        fast = pace.seconds is not None and pace.seconds < below
        return Reading(truth(fast), pace.sentence, {"seconds": pace.seconds})


class DatabaseConnectionsOk:
    """True where less than the share `below` of the connection slots is taken (0.9)."""

    name = "database-connections-ok"
    needs = frozenset({"database"})

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Count them."""
        del subject
        room = connection_headroom(world)
        if room is None:
            return Reading(Verdict.UNKNOWN, UNREAD)
        below = float(parameters.get("below", 0.9))
        return Reading(truth(room.share < below), room.sentence, {"share": room.share})


class SchedulerLockFree:
    """True where no session sits idle on what scheduling needs."""

    name = "scheduler-lock-free"
    needs = frozenset({"database"})

    @unknown_if("sessions cannot be read")
    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Look for idle holders, since nobody is seen waiting for them."""
        del subject, parameters
        sessions = world.metadata.sessions()
        if any(one.holds_scheduler_lock for one in hidden(sessions)):
            return Reading(
                Verdict.UNKNOWN, f"who holds the scheduler's lock is not known: {HIDDEN}"
            )
        holders = lock_holders(sessions)
        if not holders:
            return Reading(Verdict.TRUE, "no idle session holds what scheduling needs")
        names = ", ".join(
            f"{s.application or 'unnamed'} (pid {s.pid}, {s.state_age:.0f} s)" for s in holders
        )
        return Reading(Verdict.FALSE, f"the scheduler's lock is held by {names}")


class DatabaseFree:
    """True where the scheduler's lock is free and connection slots are to be had.

    Parameters:
        below: Share of taken slots below which it is well (0.9).
    """

    name = "database-free"
    needs = frozenset({"database"})

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Read both; what cannot be read is not free."""
        readings = [
            SchedulerLockFree().read(world, subject, parameters),
            DatabaseConnectionsOk().read(world, subject, parameters),
        ]
        sentence = "; ".join(reading.sentence for reading in readings)
        verdicts = {reading.verdict for reading in readings}
        for verdict in (Verdict.FALSE, Verdict.UNKNOWN):
            if verdict in verdicts:
                return Reading(verdict, sentence)
        return Reading(Verdict.TRUE, sentence)


class DatabaseBlocked:
    """True where the scheduler's lock is held by an idle session, or slots are used up.

    Parameters:
        below: Share of taken slots from which they count as used up (0.9).
    """

    name = "database-blocked"
    needs = frozenset({"database"})

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Answer the opposite of `database-free`."""
        return opposite(DatabaseFree().read(world, subject, parameters))


class IdleLongEnough:
    """True unless a holder of the scheduler's lock, or a leak, is still too young to be judged.

    Parameters:
        idle_for: Seconds (30). A session that is idle between two statements is not a fault.
        least: Idle sessions of one application that count as a leak (10).
    """

    name = "idle-long-enough"
    needs = frozenset({"database"})

    @unknown_if("sessions cannot be read")
    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Look at the youngest of what would be ended."""
        del subject
        idle_for = float(parameters.get("idle_for", 30))
        sessions = world.metadata.sessions()
        if hidden(sessions):
            return Reading(Verdict.UNKNOWN, HIDDEN)
        young = [s for s in lock_holders(sessions) if s.state_age < idle_for]
        leak = leaking_group(sessions, idle_for=idle_for, least=int(parameters.get("least", 10)))
        waiting = len(young) + (leak.younger if leak else 0)
        if waiting:
            return Reading(
                Verdict.FALSE, f"{waiting} sessions have been idle for less than {idle_for:.0f} s"
            )
        return Reading(Verdict.TRUE, f"what is idle has been so for {idle_for:.0f} s")
