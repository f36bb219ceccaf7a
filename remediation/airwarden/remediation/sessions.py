"""Which database sessions may be ended: the choice, apart from reading and ending."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from airwarden.core.platform import DatabaseSession

#: Application names that are never ended. A session without a name counts as Airflow's own: its
#: processes set none, unless its connection string does, of which `doctor` warns. Backup,
#: replication and migration tools follow; `*` matches anything.
PROTECTED = (
    "",
    "airflow*",
    "airwarden*",
    "alembic*",
    "pg_dump*",
    "pg_basebackup*",
    "pg_receivewal*",
    "pgbackrest*",
    "barman*",
    "wal-g*",
    "walreceiver*",
    "pgbouncer*",
    "autovacuum*",
)
#: What PostgreSQL shows instead of the statement of a session that we have no right to see.
_NOT_FOR_US = "<insufficient privilege>"
HIDDEN = "what other sessions do is hidden: the observing role lacks pg_monitor"
_IDLE_IN_TRANSACTION = ("idle in transaction", "idle in transaction (aborted)")


@dataclass(frozen=True, slots=True)
class Group:
    """The idle sessions of one application that are old enough, oldest first."""

    application: str
    sessions: tuple[DatabaseSession, ...]
    younger: int = 0


def protected(session: DatabaseSession, more: Collection[str] = ()) -> bool:
    """Return whether its application is one that is never ended."""
    return protected_name(session.application, more)


def protected_name(application: str, more: Collection[str] = ()) -> bool:
    """Return whether sessions of this application name are never ended."""
    name = application.strip().lower()
    return any(fnmatchcase(name, pattern.lower()) for pattern in (*PROTECTED, *more))


def hidden(sessions: Iterable[DatabaseSession]) -> list[DatabaseSession]:
    """Return the sessions of which no more is to be seen than that they are there.

    They read as idle as little as they read as busy: what they do is not known.
    """
    return [one for one in sessions if one.query == _NOT_FOR_US]


def lock_holders(sessions: Iterable[DatabaseSession]) -> list[DatabaseSession]:
    """Return the sessions that sit idle on what scheduling needs, longest idle first."""
    found = [s for s in sessions if s.holds_scheduler_lock and s.state in _IDLE_IN_TRANSACTION]
    return sorted(found, key=lambda s: -s.state_age)


def idle_in_transaction(sessions: Iterable[DatabaseSession]) -> list[DatabaseSession]:
    """Return the sessions that sit idle in a transaction, longest idle first."""
    return sorted(
        (s for s in sessions if s.state in _IDLE_IN_TRANSACTION), key=lambda s: -s.state_age
    )


def blockers(sessions: Sequence[DatabaseSession], *, idle_for: float) -> list[DatabaseSession]:
    """Return the idle sessions that others wait for and that wait for nobody themselves.

    Args:
        sessions: All client sessions.
        idle_for: Seconds that a session must have been idle in its transaction.
    """
    waiting = {pid for one in sessions for pid in one.blocks}
    return [
        one
        for one in idle_in_transaction(sessions)
        if one.blocks and one.pid not in waiting and one.state_age >= idle_for
    ]


def leaking_group(
    sessions: Sequence[DatabaseSession],
    *,
    idle_for: float,
    least: int,
    protect: Collection[str] = (),
) -> Group | None:
    """Return the application with the most idle sessions, if it has at least `least`.

    Args:
        sessions: All client sessions.
        idle_for: Seconds that a session must have been idle to be chosen.
        least: Idle sessions from which an application counts as leaking.
        protect: Further names that are never ended.
    """
    groups: dict[str, list[DatabaseSession]] = defaultdict(list)
    for session in sessions:
        idle = session.state == "idle" or session.state in _IDLE_IN_TRANSACTION
        if idle and not protected(session, protect):
            groups[session.application].append(session)
    if not groups:
        return None
    application, found = max(groups.items(), key=lambda item: (len(item[1]), item[0]))
    if len(found) < least:
        return None
    old = sorted((s for s in found if s.state_age >= idle_for), key=lambda s: -s.state_age)
    return Group(application, tuple(old), len(found) - len(old))
