"""The `MetadataDatabase` port over psycopg: a few connections opened at start and kept.

At exhaustion PostgreSQL refuses new sessions while standing ones go on working, so a connection is
never given back while it works, and a lost one is only tried again with growing pauses. Every query
goes with the settings of its transaction in one message: one round trip, whatever comes of it, and no
state of a session, so that it also works through PgBouncer in transaction mode. Which text a query has
follows from the schema's revision (`metadata_schemas`); an unknown one is refused with a clear message.

Who may have a connection: among those who wait, the one whose work has the least time left is next
(`airwarden.core.turns`). Queries of details share two fifths of them. Those that got no answer the last
time, because a table is locked or they take too long, run one after the other until they do. So whatever
hangs, and however many details are asked for, what is quick and urgent finds a connection.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from airwarden.adapters.connection_strings import connection_error, libpq_dsn
from airwarden.adapters.cutter import Cutter
from airwarden.adapters.metadata_schemas import Schema, query_text, schema_of
from airwarden.core.errors import AirwardenError, RejectedError, UnavailableError
from airwarden.core.platform import DatabaseSession
from airwarden.core.turns import Turns
from airwarden.core.work import are_details, left

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[dict[str, Any]]

_T = TypeVar("_T")
#: Pauses in seconds before a lost connection is tried again; the last one repeats.
_PAUSES = (0.0, 1.0, 2.0, 5.0, 10.0)
#: Seconds that a query of details waits for its turn; its own work has the rest of its time.
_PATIENCE = 45.0
#: Seconds after which a connection that nobody needed is used all the same: a firewall may have dropped it. Until
#: then one that was used goes before: a session learns of each table anew, and that takes as long as a query.
_REST = 30.0
#: Seconds that a query waits for a lock. Ours conflict with changes of the schema only, and those take long.
_LOCK_TIMEOUT = 1.0
#: What holds for the statement behind it in the same message, and no longer: a message is a transaction. By
#: function and not by SET, of which pg_stat_statements would keep a line for every number of milliseconds.
_SETTINGS = (
    b"SELECT set_config('transaction_read_only', 'on', true), set_config('timezone', 'UTC', true),"
    b" set_config('statement_timeout', '%d', true), set_config('lock_timeout', '%d', true),"
    # To compile a query takes longer than to run one of ours, and Airflow needs the other processors.
    b" set_config('jit', 'off', true), set_config('max_parallel_workers_per_gather', '0', true),"
    # Room to hash a few thousand tasks, where PostgreSQL's own four megabytes make it sort them.
    b" set_config('work_mem', '16MB', true);\n"
)
#: Rows that are made into values at once. Nothing else of this process is done meanwhile: all DAGs of a large
#: platform would hold up a scrape for a tenth of a second.
_AT_ONCE = 250
_WRONG_LOGIN = ("authentication failed", "does not exist", "no pg_hba.conf entry", "not permitted")


class _NoAnswerError(UnavailableError):
    """A query waited for a lock, or had all the time that one may take, and was cancelled."""


class PostgresMetadata:
    """Airflow's metadata database in PostgreSQL, read with an observing role.

    Args:
        dsn: A libpq URL or keyword string; never printed.
        statement_timeout: Seconds that the server lets one query run.
        connect_timeout: Seconds for a connection attempt.
        connections: How many are kept for queries; as many can run at the same time. One more is kept
            for `probe`, so that a slow database reads slow and not gone.
        application: `application_name`; sessions of that name count as ours.
    """

    def __init__(
        self,
        dsn: str,
        *,
        statement_timeout: float = 5.0,
        connect_timeout: float = 3.0,
        connections: int = 5,
        application: str = "airwarden",
    ) -> None:
        self._statement_timeout = statement_timeout
        self._application = application
        self._turns = Turns(connections)
        self._detail_turns = Turns(max(1, 2 * connections // 5))
        self._hanging: set[str] = set()
        self._hanging_turns = Turns(1)
        self._prober, *queries = self._all = [
            _Slot(dsn, statement_timeout, connect_timeout, application)
            for _ in range(1 + connections)
        ]
        self._idle = deque(queries)
        self._picking = threading.Lock()

    def open(self) -> None:
        """Open every connection now, so that they exist before the database is exhausted.

        Raises:
            UnavailableError: It does not answer; the connections are tried again when next used.
            RejectedError: It refuses the login, or its schema is of an unknown version.
        """
        for slot in self._all:
            with slot.lock:
                slot.connected()

    def rows(self, query: str, **parameters: object) -> Sequence[Mapping[str, Any]]:
        """Run a named query and return its rows.

        Raises:
            UnavailableError: No connection, or no answer in time.
            RejectedError: A missing grant, or a schema that this version does not know.
        """
        with self._lane(query), self._slot() as slot:
            try:
                found = slot.run(query, parameters)
            except _NoAnswerError:
                self._hanging.add(query)
                raise
        self._hanging.discard(query)
        return found

    def probe(self) -> float:
        """Return the seconds that `SELECT 1` took on a standing connection."""
        with self._prober.lock:
            return self._prober.ping()

    def sessions(self) -> Sequence[DatabaseSession]:
        """Return the client sessions of this database, ours excluded.

        Without `pg_monitor` PostgreSQL hides other roles' state: such sessions read `unknown`.
        """
        return [
            DatabaseSession(**{**row, "blocks": tuple(row["blocks"] or ())})
            for row in self.rows("sessions", application=self._application)
        ]

    def close(self) -> None:
        """Close the connections."""
        for slot in self._all:
            with slot.lock:
                slot.drop()

    def _lane(self, query: str) -> contextlib.AbstractContextManager[None]:
        """Wait until another query of this kind may have a connection."""
        if query in self._hanging:
            return self._hanging_turns.turn(
                2 * self._statement_timeout,
                "the metadata database does not answer queries like this one",
            )
        if are_details():
            return self._detail_turns.turn(
                _PATIENCE, "the connections that queries of details may have are busy"
            )
        return contextlib.nullcontext()

    @contextmanager
    def _slot(self) -> Iterator[_Slot]:
        busy = "every connection to the metadata database is busy"
        with self._turns.turn(2 * self._statement_timeout, busy):
            slot = self._pick()
            try:
                with slot.lock:
                    yield slot
            finally:
                self._put_back(slot)

    def _pick(self) -> _Slot:
        """Take the idle connection that was used last, whose session has the tables in mind.

        One that has rested for a while goes before it, the longest first, and one that is lost when its pause
        is over.
        """
        with self._picking:
            ready = [slot for slot in self._idle if not slot.pauses] or list(self._idle)
            rested = time.monotonic() - ready[0].used_at > _REST
            slot = ready[0 if rested else -1]
            self._idle.remove(slot)
            return slot

    def _put_back(self, slot: _Slot) -> None:
        with self._picking:
            slot.used_at = time.monotonic()
            if slot.lost:  # what took it may have taken the others: that is to be known at once
                for other in self._idle:
                    other.used_at = -math.inf
            self._idle.append(slot)


class _Slot:
    """One kept connection and what it takes to get it back after a loss."""

    def __init__(
        self, dsn: str, statement_timeout: float, connect_timeout: float, application: str
    ) -> None:
        self.lock = threading.Lock()
        self._dsn = libpq_dsn(dsn)
        self._statement_timeout = statement_timeout
        self._connect_timeout = connect_timeout
        self._application = application
        self._connection: Connection | None = None
        self._folder = ""
        self._failures = 0
        self._not_before = 0.0
        #: When it was last given back.
        self.used_at = time.monotonic()

    @property
    def lost(self) -> bool:
        """Whether it has to be opened, for the first time or again."""
        return self._connection is None

    @property
    def pauses(self) -> bool:
        """Whether it is lost, and not yet to be tried again."""
        return self._connection is None and time.monotonic() < self._not_before

    def run(self, name: str, parameters: Mapping[str, object]) -> list[dict[str, Any]]:
        """Run one named query in a read-only transaction that ends with it."""
        connection = self.connected()
        text = query_text(self._folder, name).encode()
        seconds = left(self._statement_timeout)
        limits = _milliseconds(seconds), _milliseconds(min(seconds, _LOCK_TIMEOUT))

        def ask() -> list[dict[str, Any]]:
            # One message is one transaction: it ends with its last statement.
            cursor = connection.execute(_SETTINGS % limits + text, parameters or None)
            cursor.nextset()
            found: list[dict[str, Any]] = []
            while rows := cursor.fetchmany(_AT_ONCE):
                found += rows
            return found

        try:
            return self._bounded(name, ask)
        except _NoAnswerError as error:
            if seconds < min(self._statement_timeout, _LOCK_TIMEOUT):  # others had taken its time
                raise UnavailableError(str(error)) from None
            raise

    def ping(self) -> float:
        """Return the seconds that the cheapest statement took: one round trip, no transaction."""
        connection = self.connected()
        text = query_text(self._folder, "probe").encode()

        def ask() -> float:
            begun = time.monotonic()
            connection.execute(text).fetchall()
            return time.monotonic() - begun

        return self._bounded("probe", ask)

    def _bounded(self, name: str, ask: Callable[[], _T]) -> _T:
        """Ask within the deadline, in our errors; a connection that broke is dropped."""
        import psycopg

        connection = self.connected()
        try:
            # Whatever the work has left: a connection that is merely slow is not to be lost.
            with self._cut(connection):
                return ask()
        except psycopg.Error as error:
            raise self._translate(error, name) from None
        finally:
            if connection.closed:
                self.drop()

    def _cut(self, connection: Connection) -> Cutter:
        return Cutter(connection, self._statement_timeout + 1.0)

    def connected(self) -> Connection:
        """Return the standing connection; open it if there is none and the pause is over."""
        if self._connection is not None:
            return self._connection
        if self.pauses:
            raise UnavailableError("the metadata database connection is lost; waiting to retry")
        try:
            connection = self._connect()
            with self._cut(connection):
                self._folder = _schema_of(connection).folder
        except AirwardenError:
            self._pause()
            raise
        self._failures = 0
        self._connection = connection
        return connection

    def _pause(self) -> None:
        pause = _PAUSES[min(self._failures, len(_PAUSES) - 1)]
        self._failures += 1
        self._not_before = time.monotonic() + pause

    def _connect(self) -> Connection:
        import psycopg
        from psycopg.rows import dict_row

        try:
            return psycopg.connect(
                self._dsn,
                autocommit=True,
                row_factory=dict_row,
                # Parameters become part of the text: only so do several statements go in one message.
                cursor_factory=psycopg.ClientCursor,
                prepare_threshold=None,
                application_name=self._application,
                connect_timeout=max(2, round(self._connect_timeout)),
            )
        except psycopg.Error as error:
            text = connection_error(error)
            if any(sign in text for sign in _WRONG_LOGIN):
                raise RejectedError(f"the metadata database refuses the login: {text}") from None
            raise UnavailableError(f"no connection to the metadata database: {text}") from None

    def drop(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.close()
            self._connection = None

    def _translate(self, error: psycopg.Error, name: str) -> AirwardenError:
        from psycopg import errors

        text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if isinstance(error, errors.InsufficientPrivilege):
            return RejectedError(f"the observing role lacks a grant for query {name}: {text}")
        if isinstance(error, errors.UndefinedTable | errors.UndefinedColumn):
            self.drop()  # the schema was changed under us: its version is read again
            return RejectedError(f"query {name} does not fit the schema: {text}")
        if isinstance(error, errors.QueryCanceled | errors.LockNotAvailable):
            return _NoAnswerError(f"the metadata database was too slow for query {name}: {text}")
        if isinstance(error, errors.OperationalError | errors.InterfaceError):
            return UnavailableError(f"the metadata database did not answer query {name}: {text}")
        return RejectedError(f"query {name} failed: {text}")


def _schema_of(connection: Connection) -> Schema:
    """Return this database's schema.

    Raises:
        RejectedError: The schema's revision is not known here.
    """
    import psycopg

    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except psycopg.errors.InsufficientPrivilege:
        connection.close()
        raise RejectedError("the observing role may not read alembic_version: see grants") from None
    except psycopg.errors.UndefinedTable:
        connection.close()
        raise RejectedError("the database holds no Airflow schema (no alembic_version)") from None
    except psycopg.Error as error:
        connection.close()
        raise UnavailableError(f"the metadata database did not answer: {error}") from None
    try:
        return schema_of(row["version_num"] if row else "none")
    except RejectedError:
        connection.close()
        raise


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))  # 0 would mean for ever
