"""The journal as the engine uses it: transactions that know their time and check their fence."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import structlog
from sqlalchemy import Connection, Engine, bindparam, func, select
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError

from airwarden.core.clock import Clock
from airwarden.core.errors import AirwardenError, UnavailableError, WrongInputError
from airwarden.remediation.decide.holds import clock_offset
from airwarden.remediation.journal.connect import (
    BUSY_TIMEOUT,
    Engines,
    connect,
    opened_at,
    secretless,
)
from airwarden.remediation.journal.migrate import current_revision, migrate, newest_revision
from airwarden.remediation.journal.overdue import Overdue
from airwarden.remediation.journal.steady import SteadyTime
from airwarden.remediation.journal.tables import lease
from airwarden.remediation.journal.turns import Courtesy, Turns

_log = structlog.get_logger(__name__)

LEADER = "leader"
#: Seconds by which a transaction on PostgreSQL lets an urgent one go first.
_LATE = 0.02
#: Made once: every transaction of the leader asks it.
_LED = (
    select(lease.c.token)
    .where(
        lease.c.name == LEADER,
        lease.c.holder == bindparam("holder"),
        lease.c.token == bindparam("token"),
        lease.c.expires_at > bindparam("now", type_=lease.c.expires_at.type),
    )
    # A takeover waits until this transaction is over, and so sees all of it; a renewal does not.
    .with_for_update(read=True, key_share=True)
)


class FencedError(AirwardenError):
    """This process no longer leads, or the row was changed by someone else: drop the work."""


@dataclass(frozen=True, slots=True)
class Fence:
    """Proof of leadership: the holder and the token that its lease had when work began."""

    holder: str
    token: int


@dataclass(frozen=True, slots=True)
class Tx:
    """One transaction.

    Attributes:
        connection: Where statements go.
        now: The one time that everything in this transaction happens at: the database's where it has
            a clock that all replicas share, else this machine's without its steps.
        fence: The leader's proof, checked when the transaction began; None for the others.
        clock_offset: Seconds by which the database's clock is ahead of this machine's; 0 where this
            machine's is the one that counts.
    """

    connection: Connection
    now: datetime
    fence: Fence | None = None
    clock_offset: float = 0.0

    @property
    def token(self) -> int:
        """The fencing token; raises FencedError where nobody leads."""
        if self.fence is None:
            raise FencedError("this write needs the leader's fence")
        return self.fence.token

    @property
    def postgresql(self) -> bool:
        """True on PostgreSQL."""
        return self.connection.dialect.name == "postgresql"


class Journal:
    """The open journal.

    Args:
        engines: From `connect`.
        clock: Time for records, where the database has none of its own.
        database_time: Take the time from PostgreSQL; tests with a virtual clock switch it off.
    """

    def __init__(self, engines: Engines, clock: Clock, *, database_time: bool = True) -> None:
        self._engines = engines
        self._clock = clock
        self._time = SteadyTime(clock)
        self._overdue = Overdue(clock)
        self._database_time = database_time and engines.postgresql
        self._turns = Courtesy(_LATE) if engines.postgresql else Turns(BUSY_TIMEOUT)

    @property
    def file(self) -> Path | None:
        """SQLite's file, None on PostgreSQL."""
        return self._engines.file

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """A read-only look; raises UnavailableError when the journal does not answer in time."""
        with self._transaction(self._engines.reader) as tx:
            yield tx

    @contextmanager
    def write(self, *, urgent: bool = False) -> Iterator[Tx]:
        """One transaction, committed at the end of the block; not nestable.

        Args:
            urgent: Somebody outside waits for it, or the lease does: it goes before the others.

        Raises:
            UnavailableError: Not reachable, locked for too long, read-only or full: nothing was kept.
        """
        with self._turns.turn(urgent=urgent), self._transaction(self._engines.writer) as tx:
            yield tx

    @contextmanager
    def lead(self, fence: Fence) -> Iterator[Tx]:
        """A transaction that only the leader may make.

        Raises:
            FencedError: Another process has the lease, or ours ran out.
            UnavailableError: As `write`.
        """
        with self.write() as tx:
            ours = {"holder": fence.holder, "token": fence.token, "now": tx.now}
            if tx.connection.execute(_LED, ours).first() is None:
                raise FencedError(f"{fence.holder} no longer leads (token {fence.token})")
            yield replace(tx, fence=fence)

    def elapsed(self) -> float:
        """Return seconds on this machine's clock that never steps, for how long something lasts."""
        return self._clock.elapsed()

    def cut_overdue(self, after: float) -> int:
        """Cut off transactions that have waited for the database for more than `after` seconds."""
        return self._overdue.cut(after)

    def go_on_in_time(self) -> None:
        """Let time go on from the last renewal of a lease, should the wall clock stand before it."""
        with self.read() as tx:
            last = tx.connection.execute(select(func.max(lease.c.renewed_at))).scalar()
        if last is not None:
            self._time.not_before(last)

    def close(self) -> None:
        """Close the connections."""
        self._engines.dispose()

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Tx]:
        with self._translated(), engine.connect() as connection, self._watched(connection):
            here = self._clock.now()
            with connection.begin():
                self._engines.check_file()
                if not self._database_time:
                    yield Tx(connection, self._time.now())
                    return
                now = opened_at(connection)
                yield Tx(connection, now, clock_offset=clock_offset(here, now, self._clock.now()))

    def _watched(self, connection: Connection) -> AbstractContextManager[None]:
        """Watch a transaction of PostgreSQL from its BEGIN to its COMMIT: either may stay unanswered."""
        return self._overdue.watched(connection) if self._engines.postgresql else nullcontext()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (DataError, IntegrityError):
            # The journal answers; it is what it was given that does not fit.
            raise
        except DBAPIError as error:
            # The statement and its parameters stay out of the message: they can hold alert bodies.
            raise UnavailableError(f"journal: {type(error.orig).__name__}: {error.orig}") from None
        except SQLAlchemyError as error:
            raise UnavailableError(f"journal: {type(error).__name__}") from None


def look_into(url: str, clock: Clock) -> Journal:
    """Open a journal to read it only, beside a remediator that may be running on it.

    Raises:
        WrongInputError: The URL is none, or there is no journal of this version.
        UnavailableError: The database does not answer.
    """
    engines = connect(url, make=False)
    journal = Journal(engines, clock)
    try:
        with journal.read() as tx:
            there = current_revision(tx.connection)
    except BaseException:
        engines.dispose()
        raise
    if there != newest_revision():
        engines.dispose()
        state = f"is at revision {there}" if there else "holds no journal"
        raise WrongInputError(
            f"{secretless(url)} {state}, this version reads {newest_revision()}",
            place="remediator.journal",
            hint="start the remediator of this version once, or use the version that wrote it",
        )
    return journal


def open_journal(url: str, clock: Clock, *, database_time: bool = True) -> Journal:
    """Open the journal and bring its schema up to date, under a lock.

    Args:
        url: `sqlite:///FILE` or `postgresql+psycopg://USER@HOST/DATABASE`.
        clock: This machine's clock.
        database_time: See `Journal`.

    Raises:
        WrongInputError: The URL is not one of these, the schema is newer than this version knows, or the
            file is no database.
        UnavailableError: The database does not answer.
    """
    engines = connect(url)
    journal = Journal(engines, clock, database_time=database_time)
    try:
        migrate(engines)
        if not (engines.postgresql and database_time):
            journal.go_on_in_time()
    except DBAPIError as error:
        engines.dispose()
        # SQLite's plain DatabaseError: not a database, or malformed. No waiting mends it.
        if type(error.orig) is sqlite3.DatabaseError:
            raise WrongInputError(
                f"{secretless(url)}: {error.orig}",
                place="remediator.journal",
                hint="move the file away, or put back a copy of it, then start again",
            ) from None
        raise UnavailableError(f"journal: {type(error.orig).__name__}: {error.orig}") from None
    except BaseException:
        engines.dispose()
        raise
    return journal


def await_journal(url: str, clock: Clock, *, patience: float) -> Journal:
    """Open the journal as `open_journal` does, and wait for a database that does not answer yet.

    A host that starts brings its database up in its own time, and a failover takes seconds.

    Args:
        url: See `open_journal`.
        clock: This machine's clock; the wait ends when the process is stopped.
        patience: Seconds to wait.

    Raises:
        WrongInputError: See `open_journal`.
        UnavailableError: It has not answered within `patience` seconds.
    """
    until = clock.elapsed() + patience
    while True:
        try:
            return open_journal(url, clock)
        except UnavailableError as error:
            if clock.elapsed() >= until:
                raise
            _log.warning("the journal does not answer yet", error=str(error))
            if clock.wait(1.0):
                raise
