"""`database.end_sessions`: end the idle session that blocks scheduling, or those that leak."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from airwarden.core.errors import ConflictError, UnavailableError, UnknownOutcomeError
from airwarden.core.platform import DatabaseSession
from airwarden.remediation.actions.base import Danger, Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.ramp import Tally, stop_reason, waves
from airwarden.remediation.headroom import connection_headroom
from airwarden.remediation.sessions import (
    HIDDEN,
    blockers,
    hidden,
    leaking_group,
    lock_holders,
    protected,
)
from airwarden.remediation.world import Json, Subject, World

#: The waves in which the sessions of one effect are ended: the rails' own numbers.
_NUMBERS = Rails()
#: Looks, 0.2 s apart, within which a session that was told to end has to be gone.
_LOOKS = 5


class EndSessions:
    """End idle sessions, each by compare-and-set on pid, start, transaction and state.

    Parameters:
        which: `lock-holder`: idle in transaction and holding what scheduling needs; `leaking`: the
            application with the most idle sessions, while connections are exhausted; `blocking`:
            idle in transaction while others wait for it.
        idle_for: Seconds that a session must have been idle (30).
        above: With `leaking`: share of taken connection slots from which it acts (0.9).
        least: With `leaking`: idle sessions from which an application counts as leaking (10).
        most: Sessions that one run may end (100).
        protect: Application names, `*` allowed, beside those that are always protected.

    Never ended: Airflow's own, unnamed, backup, replication, superusers', Airwarden's, active ones.
    """

    name = "database.end_sessions"
    danger = Danger.B
    needs = frozenset({"database", "session_ender"})
    deadline = 15.0
    decidable = True
    undecidable: tuple[str, ...] = ()

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        """Choose the sessions of one application, so that its owner can be told."""
        del subject
        if parameters.get("which") == "leaking":
            return self._plan_leaking(world, parameters)
        if parameters.get("which") == "blocking":
            return self._plan_blocking(world, parameters)
        return self._plan_holder(world, parameters)

    def _plan_holder(self, world: World, parameters: Mapping[str, Any]) -> Plan | Nothing | Refused:
        sessions, idle_for = _sessions(world), float(parameters.get("idle_for", 30))
        holders = lock_holders(sessions)
        if not holders:
            busy = [s.application or "unnamed" for s in sessions if s.holds_scheduler_lock]
            by = f" ({', '.join(busy)} works in it)" if busy else ""
            return Nothing(f"no idle session holds what scheduling needs{by}")
        protect = tuple(parameters.get("protect", ()))
        kept = [s for s in holders if protected(s, protect)]
        old = [s for s in holders if s.state_age >= idle_for and s not in kept]
        evidence = {"holders": [session_facts(session) for session in holders]}
        if old:
            return Plan(tuple(self._holder_effect(world, s) for s in old[:3]), evidence)
        if kept:
            names = ", ".join(sorted({s.application or "a session without a name" for s in kept}))
            return Refused(
                f"what scheduling needs is held by {names}, which is never ended",
                cause=f"scheduler's lock held by {names}",
                evidence=evidence,
            )
        return Nothing(f"the holder has been idle for less than {idle_for:.0f} s", evidence)

    def _plan_blocking(
        self, world: World, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        found = blockers(_sessions(world), idle_for=float(parameters.get("idle_for", 60)))
        if not found:
            return Nothing("nobody waits for an idle session")
        protect = tuple(parameters.get("protect", ()))
        evidence = {"blockers": [session_facts(session) for session in found]}
        ours = [session for session in found if not protected(session, protect)]
        if not ours:
            names = ", ".join(sorted({s.application or "a session without a name" for s in found}))
            return Refused(
                f"others wait for {names}, which is never ended",
                cause=f"sessions blocked by {names}",
                evidence=evidence,
            )
        return Plan(tuple(self._blocker_effect(world, one) for one in ours[:3]), evidence)

    def _blocker_effect(self, world: World, session: DatabaseSession) -> Effect:
        summary = (
            f"end session {session.pid} of {session.application}, idle for"
            f" {session.state_age:.0f} s while {len(session.blocks)} wait for it"
        )
        return self._effect(f"{world.cluster}/db-session/{session.pid}", [session], summary)

    def _plan_leaking(
        self, world: World, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        room, above = connection_headroom(world), float(parameters.get("above", 0.9))
        if room is None:
            raise UnavailableError("the number of taken connections cannot be read")
        evidence: dict[str, Any] = {"connections": room.sentence}
        if room.share < above:
            return Nothing(room.sentence, evidence)
        sessions = _sessions(world)
        group = leaking_group(
            sessions,
            idle_for=float(parameters.get("idle_for", 30)),
            least=int(parameters.get("least", 10)),
            protect=tuple(parameters.get("protect", ())),
        )
        counts = Counter(f"{s.application or 'unnamed'} {s.state}" for s in sessions)
        evidence["sessions"] = dict(counts.most_common(10))
        if group is None:
            return Refused(
                f"{room.sentence}, and no application that may be touched leaks",
                cause="database connections exhausted",
                evidence=evidence,
            )
        if not group.sessions:
            return Nothing(f"{group.younger} idle sessions of {group.application} are too young")
        chosen = group.sessions[: int(parameters.get("most", 100))]
        return Plan((self._leak_effect(world, chosen),), evidence)

    def _holder_effect(self, world: World, session: DatabaseSession) -> Effect:
        summary = (
            f"end session {session.pid} of {session.application}, idle for"
            f" {session.state_age:.0f} s on the scheduler's lock"
        )
        return self._effect(f"{world.cluster}/db-session/{session.pid}", [session], summary)

    def _leak_effect(self, world: World, sessions: Sequence[DatabaseSession]) -> Effect:
        application = sessions[0].application
        return self._effect(
            f"{world.cluster}/db-application/{application}",
            sessions,
            f"end {len(sessions)} leaked idle sessions of {application}",
        )

    def _effect(self, target: str, sessions: Sequence[DatabaseSession], summary: str) -> Effect:
        return Effect(
            action=self.name,
            target=target,
            parameters={"sessions": [_identity(session) for session in sessions]},
            before={
                "application": sessions[0].application,
                "users": sorted({session.user for session in sessions}),
            },
            summary=summary,
            generation=",".join(str(session.pid) for session in sessions),
        )

    def apply(self, world: World, effect: Effect) -> Json:
        """End each session if it is still the one that was seen: one first, then wave by wave.

        It stops where sessions have changed since: then they are not the leak that was planned for.

        Raises:
            ConflictError: None of them is the one that was seen.
            UnknownOutcomeError: One was told to end and is still there.
        """
        if world.session_ender is None:
            raise UnavailableError("no role for ending sessions is configured")
        seen = [_restore(identity) for identity in effect.parameters["sessions"]]
        ended: list[DatabaseSession] = []
        changed: list[int] = []
        begin = 0
        for end in waves(len(seen), _NUMBERS):
            for session in seen[begin:end]:
                if world.session_ender.end(session):
                    ended.append(session)
                else:
                    changed.append(session.pid)
            begin = end
            if end < len(seen):
                _await_gone(world, ended)
                if stop_reason(Tally(end, len(changed)), end, _NUMBERS):
                    break
        if not ended:
            raise ConflictError("none of the sessions is the one that was seen")
        pids = [session.pid for session in ended]
        return {"ended": pids, "changed_since": changed, "left": len(seen) - begin}

    def read_back(self, world: World, effect: Effect) -> ReadBack:
        """Look whether any of the sessions is still there; ending again what is gone does nothing."""
        there = {(s.pid, s.backend_start) for s in _sessions(world)}
        seen = [_restore(identity) for identity in effect.parameters["sessions"]]
        left = any((s.pid, s.backend_start) in there for s in seen)
        return ReadBack.NOT_DONE if left else ReadBack.DONE

    def undo(self, world: World, effect: Effect) -> Plan | Nothing | Refused:
        """Answer that an ended session has no way back."""
        del world, effect
        return Nothing("an ended session cannot be taken back")


def _await_gone(world: World, ended: Sequence[DatabaseSession]) -> None:
    """Wait a moment until PostgreSQL has ended what it was told to end."""
    left: set[tuple[int, datetime]] = set()
    for _ in range(_LOOKS):
        there = {(one.pid, one.backend_start) for one in _sessions(world)}
        left = there & {(one.pid, one.backend_start) for one in ended}
        if not left or world.clock.wait(0.2):
            break
    if left:
        raise UnknownOutcomeError(f"session {min(left)[0]} was told to end and is still there")


def session_facts(session: DatabaseSession) -> Json:
    """Return what its owner needs to find it, as JSON."""
    return {
        "pid": session.pid,
        "application": session.application,
        "user": session.user,
        "client": session.client,
        "state": session.state,
        "idle_seconds": round(session.state_age, 1),
        "query": session.query,
    }


def _sessions(world: World) -> Sequence[DatabaseSession]:
    sessions = world.metadata.sessions()
    if hidden(sessions):
        raise UnavailableError(HIDDEN)
    return sessions


def _identity(session: DatabaseSession) -> Json:
    return {
        **session_facts(session),
        "backend_start": session.backend_start.isoformat(),
        "xact_start": session.xact_start.isoformat() if session.xact_start else None,
        "state_age": session.state_age,
    }


def _restore(identity: Mapping[str, Any]) -> DatabaseSession:
    xact_start = identity["xact_start"]
    return DatabaseSession(
        pid=int(identity["pid"]),
        backend_start=datetime.fromisoformat(identity["backend_start"]),
        xact_start=datetime.fromisoformat(xact_start) if xact_start else None,
        state=str(identity["state"]),
        state_age=float(identity["state_age"]),
        application=str(identity["application"]),
        user=str(identity["user"]),
    )
