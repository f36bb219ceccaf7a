"""The `StatedSql` port over psycopg: an operator's SELECT, asked on a connection of its own.

The statement stands inside a SELECT of ours with a LIMIT, in a read-only transaction, and goes by the
extended protocol, which takes one statement and no more. The server cancels it at its deadline; where the
server itself is frozen, the connection is cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airwarden.adapters.connection_strings import connection_error, libpq_dsn
from airwarden.adapters.cutter import Cutter
from airwarden.core.errors import RejectedError, UnavailableError

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[dict[str, Any]]

#: Classes of SQLSTATE that may pass: connection, resources, operator's intervention, system.
_PASSING = ("08", "53", "57", "58")


class PostgresStatements:
    """A PostgreSQL database that statements are asked of. It is left alone between two of them.

    Args:
        dsn: A libpq URL or keyword string; never printed.
        timeout: Seconds for the connection, and for a statement.
    """

    def __init__(self, dsn: str, *, timeout: float = 10.0) -> None:
        self._dsn = libpq_dsn(dsn)
        self._timeout = timeout

    def rows(self, statement: str, *, limit: int) -> Sequence[Mapping[str, Any]]:
        """Run one SELECT and return at most `limit` of its rows.

        Raises:
            UnavailableError: No connection, or no answer in time.
            RejectedError: It refuses the login or the statement.
        """
        import psycopg

        # An operator writes the statement in the settings; nothing else gets into it.
        text = f"SELECT * FROM (\n{statement.strip().rstrip(';')}\n) AS stated LIMIT {limit:d}"  # noqa: S608 - see above
        with self._connect() as connection:
            try:
                with Cutter(connection, self._timeout + 1.0):
                    return self._asked(connection, text)
            except psycopg.Error as error:
                raise _translated(error) from None

    def _connect(self) -> Connection:
        import psycopg
        from psycopg.rows import dict_row

        try:
            return psycopg.connect(
                self._dsn,
                autocommit=True,
                row_factory=dict_row,
                prepare_threshold=None,
                application_name="airwarden-queries",
                connect_timeout=max(2, round(self._timeout)),
            )
        except psycopg.Error as error:
            raise UnavailableError(f"no connection: {connection_error(error)}") from None

    def _asked(self, connection: Connection, text: str) -> list[dict[str, Any]]:
        milliseconds = int(self._timeout * 1000)
        with connection.pipeline():
            connection.execute(b"BEGIN READ ONLY")
            connection.execute(f"SET LOCAL statement_timeout = {milliseconds}".encode())
            connection.execute(b"SET LOCAL timezone = 'UTC'")
            cursor = connection.execute(text.encode())
            connection.execute(b"ROLLBACK")
        return cursor.fetchall()


def _translated(error: psycopg.Error) -> UnavailableError | RejectedError:
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else type(error).__name__
    if error.sqlstate is None or error.sqlstate.startswith(_PASSING):
        return UnavailableError(f"the database did not answer the statement: {text}")
    return RejectedError(f"the database refuses the statement: {text}")
