"""The `SessionEnder` port: the one act in the metadata database, by a role used for nothing else.

The connection is opened at start and kept: when the database is exhausted, the moment it is needed
most, a new one is refused. The role needs `pg_signal_backend`, and `pg_read_all_stats` to see which
session it is about to end.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from airwarden.adapters.connection_strings import connection_error, libpq_dsn
from airwarden.core.errors import RejectedError, UnavailableError, UnknownOutcomeError
from airwarden.core.platform import DatabaseSession

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]

#: One statement, so that nothing can change between the comparison and the act. An idle session has
#: no transaction to compare: that its state has lasted at least as long as when it was seen stands in.
_END = b"""
SELECT pg_terminate_backend(a.pid)
FROM pg_stat_activity AS a
JOIN pg_roles AS r ON r.oid = a.usesysid
WHERE a.pid = %(pid)s
  AND a.backend_start = %(backend_start)s
  AND a.xact_start IS NOT DISTINCT FROM %(xact_start)s::timestamptz
  AND a.state = %(state)s
  AND a.state IN ('idle', 'idle in transaction', 'idle in transaction (aborted)')
  AND clock_timestamp() - a.state_change >= make_interval(secs => %(state_age)s)
  AND a.datname = current_database()
  AND a.backend_type = 'client backend'
  AND a.pid <> pg_backend_pid()
  AND NOT r.rolsuper
  AND NOT r.rolreplication
"""


class PostgresSessionEnder:
    """Ends idle sessions by compare-and-set; never a superuser's, a replica's, or an active one.

    Args:
        dsn: A libpq URL or keyword string of the second role; never printed.
        deadline: Seconds that one ending may take, the network included.
        application: `application_name`; the observer counts sessions of that name as ours.
    """

    def __init__(self, dsn: str, *, deadline: float = 3.0, application: str = "airwarden") -> None:
        self._dsn = libpq_dsn(dsn)
        self._deadline = deadline
        self._application = application
        self._lock = threading.Lock()
        self._connection: Connection | None = None

    def open(self) -> None:
        """Open the connection now, so that it exists before the database is exhausted.

        Raises:
            UnavailableError: No answer, or no slot left; it is tried again when next used.
            RejectedError: The login is refused.
        """
        with self._lock:
            self._connected()

    def end(self, session: DatabaseSession) -> bool:
        """End a session if it is still the one that was seen.

        Returns:
            True if it was told to end, False if it has changed, gone, or is protected.

        Raises:
            UnavailableError: No connection; nothing was sent.
            UnknownOutcomeError: It was sent and the answer was lost.
            RejectedError: The role may not.
        """
        import psycopg

        seen = {
            "pid": session.pid,
            "backend_start": session.backend_start,
            "xact_start": session.xact_start,
            "state": session.state,
            "state_age": session.state_age,
        }
        with self._lock:
            connection = self._connected()
            try:
                with _cut_after(connection, self._deadline):
                    row = connection.execute(_END, seen).fetchone()
            except psycopg.errors.InsufficientPrivilege as error:
                raise RejectedError(f"the session ending role lacks a right: {error}") from None
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                self._drop()
                raise UnknownOutcomeError(
                    f"the answer to ending session {session.pid} was lost: {_first_line(error)}"
                ) from None
            except psycopg.Error as error:
                raise RejectedError(f"ending session {session.pid} failed: {error}") from None
        return row is not None and bool(row[0])

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._drop()

    def _connected(self) -> Connection:
        import psycopg

        if self._connection is not None and not self._connection.closed:
            return self._connection
        try:
            self._connection = psycopg.connect(
                self._dsn,
                autocommit=True,
                prepare_threshold=None,
                application_name=self._application,
                connect_timeout=max(2, round(self._deadline)),
            )
        except psycopg.Error as error:
            text = connection_error(error)
            if "authentication failed" in text or "does not exist" in text:
                raise RejectedError(f"the session ending role is refused: {text}") from None
            raise UnavailableError(f"no connection for ending sessions: {text}") from None
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.close()
            self._connection = None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


@contextlib.contextmanager
def _cut_after(connection: Connection, seconds: float) -> Iterator[None]:
    """Shut the socket down when the block takes longer: a frozen server sends no timeout itself."""
    duplicate = socket.socket(fileno=os.dup(connection.fileno()))

    def cut() -> None:
        with contextlib.suppress(OSError):
            duplicate.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        duplicate.close()
