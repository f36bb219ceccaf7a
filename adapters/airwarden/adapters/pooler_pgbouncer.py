"""The `Pooler` port over PgBouncer's console (`SHOW POOLS`).

The console speaks the simple query protocol alone, so statements go without parameters. One connection
is kept: PgBouncer counts it as a client of its own database, and it needs no server.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airwarden.adapters.connection_strings import connection_error, libpq_dsn
from airwarden.core.errors import RejectedError, UnavailableError
from airwarden.core.platform import PoolerPool

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[dict[str, Any]]

#: The console's own pool.
_CONSOLE = "pgbouncer"
#: Column → state of server connections; columns that a version lacks count 0.
_SERVERS = {
    "sv_active": "active",
    "sv_idle": "idle",
    "sv_used": "used",
    "sv_tested": "tested",
    "sv_login": "login",
}


class PgBouncerPools:
    """A PgBouncer's pools.

    Args:
        dsn: Connection string of its console (database `pgbouncer`); never printed.
        timeout: Seconds for connecting, and for an answer.
    """

    def __init__(self, dsn: str, *, timeout: float = 3.0) -> None:
        self._dsn = libpq_dsn(dsn)
        self._timeout = timeout
        self._lock = threading.Lock()
        self._connection: Connection | None = None

    def pools(self) -> Sequence[PoolerPool]:
        """Return its pools, its own console left out.

        Raises:
            UnavailableError: It does not answer.
            RejectedError: It refuses the login, or the role is not in `stats_users`.
        """
        import psycopg

        with self._lock:
            try:
                rows = self._connected().execute("SHOW POOLS").fetchall()
            except psycopg.Error as error:
                self._drop()
                raise _translated(error) from None
        return [_pool(row) for row in rows if row["database"] != _CONSOLE]

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._drop()

    def _connected(self) -> Connection:
        if self._connection is None:
            import psycopg
            from psycopg.rows import dict_row

            self._connection = psycopg.connect(
                self._dsn,
                autocommit=True,
                row_factory=dict_row,
                prepare_threshold=None,
                application_name="airwarden",
                connect_timeout=max(2, round(self._timeout)),
                # A frozen PgBouncer is only noticed by what it does not acknowledge.
                keepalives_idle=max(1, round(self._timeout)),
                keepalives_interval=1,
                keepalives_count=2,
                tcp_user_timeout=round(self._timeout * 1000),
            )
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.close()
            self._connection = None


def _pool(row: Mapping[str, Any]) -> PoolerPool:
    numbers = {name: int(value) for name, value in row.items() if str(value).isdigit()}
    return PoolerPool(
        name=f"{row['database']}/{row['user']}",
        clients_active=numbers["cl_active"],
        clients_waiting=numbers["cl_waiting"],
        longest_wait=numbers["maxwait"] + numbers.get("maxwait_us", 0) / 1e6,
        servers={state: numbers.get(column, 0) for column, state in _SERVERS.items()},
    )


def _translated(error: psycopg.Error) -> UnavailableError | RejectedError:
    text = connection_error(error)
    if any(sign in text for sign in ("authentication failed", "not allowed", "no such user")):
        return RejectedError(f"PgBouncer's console refuses us: {text}")
    return UnavailableError(f"PgBouncer's console does not answer: {text}")
