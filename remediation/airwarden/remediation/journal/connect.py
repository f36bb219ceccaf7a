"""Connections to the journal: one discipline for SQLite (one writer) and one for PostgreSQL."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    PoolProxiedConnection,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.exc import ArgumentError

from airwarden.core.errors import UnavailableError, WrongInputError

if TYPE_CHECKING:
    import psycopg

#: Seconds that a writer waits for another one before the journal counts as unavailable.
BUSY_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Engines:
    """The engines of one journal; for PostgreSQL reader and writer are the same.

    Attributes:
        file: SQLite's database file, None for PostgreSQL.
        inode: The file's, when it was opened.
    """

    writer: Engine
    reader: Engine
    file: Path | None
    inode: int = 0

    @property
    def postgresql(self) -> bool:
        """True where the database's own clock decides."""
        return self.file is None

    def check_file(self) -> None:
        """Make sure that what is open is what the next start will open.

        Raises:
            UnavailableError: SQLite's file was moved or deleted: it would be written on, and lost.
        """
        try:
            same = self.file is None or self.file.stat().st_ino == self.inode
        except OSError:
            same = False
        if not same:
            raise UnavailableError(f"journal: {self.file} was moved or deleted")

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.writer.dispose()
        self.reader.dispose()


def parse_url(url: str) -> URL:
    """Return the journal's URL, checked; raises WrongInputError without repeating its password."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise WrongInputError(
            "not a database URL", place="remediator.journal", hint="sqlite:///var/journal.db"
        ) from error
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "postgresql+psycopg"):
        raise WrongInputError(
            f"unknown journal database {parsed.drivername!r}",
            place="remediator.journal",
            hint="sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE",
        )
    if parsed.drivername == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise WrongInputError(
            "the journal must be a file: it has to outlive the process",
            place="remediator.journal",
            hint="sqlite:///var/journal.db",
        )
    return parsed


def connect(url: str, *, make: bool = True, program: str = "airwarden-remediator") -> Engines:
    """Make the engines; reaches no database yet.

    Args:
        url: See `parse_url`.
        make: Make SQLite's file where there is none.
        program: What PostgreSQL shows as the sessions' application.

    Raises:
        WrongInputError: The URL is none, or the file is not there and not to be made.
    """
    parsed = parse_url(url)
    if parsed.drivername == "sqlite":
        file = Path(str(parsed.database))
        if not make and not file.exists():
            raise WrongInputError(
                f"there is no journal at {file}",
                place="remediator.journal",
                hint="the remediator makes it when it starts",
            )
        if make:
            file.parent.mkdir(parents=True, exist_ok=True)
            # SQLite gives its -wal and -shm files the same mode. An existing file keeps its own.
            file.touch(mode=0o600, exist_ok=True)
        writer, reader = _sqlite(parsed, writer=True), _sqlite(parsed, writer=False)
        return Engines(writer, reader, file, file.stat().st_ino)
    engine = create_engine(
        parsed,
        pool_size=8,
        max_overflow=8,
        pool_timeout=BUSY_TIMEOUT,
        pool_pre_ping=False,
        # PgBouncer's transaction pooling knows no prepared statements, and refuses start-up options:
        # the timeouts are set inside each transaction instead.
        connect_args={
            "connect_timeout": 3,
            "prepare_threshold": None,
            "application_name": program,
            # A peer that is gone without a word is noticed in seconds: the kernel's default is hours.
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
        },
    )
    _open_in_one_round_trip(engine)
    return Engines(engine, engine, None)


def _open_in_one_round_trip(engine: Engine) -> None:
    """Let each transaction of PostgreSQL begin with its timeouts and its time, see `opened_at`."""

    @event.listens_for(engine, "connect")
    def _on_connect(connection: psycopg.Connection[Any], _record: object) -> None:
        # The driver's own transaction handling is switched off: `_on_begin` says BEGIN.
        connection.autocommit = True

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        connection.info["opened_at"] = connection.exec_driver_sql(_OPEN).one()[0]


def opened_at(connection: Connection) -> datetime:
    """Return the time of the transaction that is open on a PostgreSQL connection, by its clock."""
    at: datetime = connection.info["opened_at"]
    return at


def _sqlite(url: URL, *, writer: bool) -> Engine:
    engine = create_engine(
        url,
        # One writer: SQLite has one write lock anyway, and waiting here is fair and has a deadline.
        pool_size=1 if writer else 8,
        max_overflow=0 if writer else 8,
        pool_timeout=BUSY_TIMEOUT,
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT},
    )

    @event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
        # The driver's own transaction handling is switched off: `begin` says BEGIN.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            # Heeded by a file that is still empty only, and before anything else is written.
            *(["auto_vacuum = INCREMENTAL"] if writer else []),
            f"busy_timeout = {int(BUSY_TIMEOUT * 1000)}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            *([] if writer else ["query_only = ON"]),
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def begin(dbapi_connection: PoolProxiedConnection) -> None:
        cursor = dbapi_connection.cursor()
        cursor.execute("BEGIN IMMEDIATE" if writer else "BEGIN")
        cursor.close()

    # Not an engine's event: with one of those, every statement asks around for all others too.
    engine.dialect.do_begin = begin  # type: ignore[method-assign]
    return engine


#: What is sent together is one transaction, which the BEGIN at its end keeps open. The SELECT comes first
#: because its row is the answer that the driver gives.
_OPEN = (
    "SELECT now(), set_config('lock_timeout', '2s', true),"
    " set_config('statement_timeout', '5s', true),"
    " set_config('idle_in_transaction_session_timeout', '15s', true),"
    " set_config('synchronous_commit', 'on', true); BEGIN"
)


def secretless(url: str) -> str:
    """Return the URL as it may be printed."""
    return make_url(url).render_as_string(hide_password=True)
