"""The `MariaDb` port over PyMySQL: server metrics only, for a role with PROCESS and REPLICA MONITOR."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from airwarden.core.errors import RejectedError, UnavailableError, WrongInputError
from airwarden.core.platform import MariaDbState

_STATUS = {
    "connected": "Threads_connected",
    "running": "Threads_running",
    "lock_waits": "Innodb_row_lock_current_waits",
    "queries": "Queries",
    "slow_queries": "Slow_queries",
    "aborted": "Aborted_connects",
    "deadlocks": "Innodb_deadlocks",
    "pages_asked": "Innodb_buffer_pool_read_requests",
    "pages_read": "Innodb_buffer_pool_reads",
}
_OLDEST = (
    "SELECT coalesce(max(timestampdiff(SECOND, trx_started, now())), 0) AS oldest"
    " FROM information_schema.innodb_trx"
)
#: Refusals: wrong login, no such database, a privilege is missing.
_REFUSED = (1044, 1045, 1049, 1142, 1227, 1698)


class MariaDbServer:
    """A MariaDB or MySQL server, over one kept connection.

    Args:
        dsn: `mysql://USER:PASSWORD@HOST:3306`, with `?ssl_ca=PATH` where it asks for TLS; never printed.
        timeout: Seconds for connecting, and for each answer.

    Raises:
        WrongInputError: The address cannot be read; the message repeats nothing of it.
    """

    def __init__(self, dsn: str, *, timeout: float = 3.0) -> None:
        self._address = _address(dsn)
        self._timeout = timeout
        self._lock = threading.Lock()
        self._connection: Any = None

    def state(self) -> MariaDbState:
        """Return connections, transactions, locks and counters.

        Raises:
            UnavailableError: It does not answer.
            RejectedError: It refuses the login, or a privilege is missing.
        """
        import pymysql

        with self._lock:
            try:
                return self._read()
            except pymysql.MySQLError as error:
                self._drop()
                raise _translated(error) from None

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._drop()

    def _read(self) -> MariaDbState:
        status = {row["Variable_name"]: row["Value"] for row in self._rows("SHOW GLOBAL STATUS")}
        limit = self._rows("SELECT @@max_connections AS most")[0]["most"]
        oldest = self._rows(_OLDEST)[0]["oldest"]
        numbers: dict[str, Any] = {
            field: int(float(status.get(name) or 0)) for field, name in _STATUS.items()
        }
        return MariaDbState(
            connections_max=int(limit),
            oldest_transaction=float(oldest),
            **_replication(self._replica()),
            **numbers,
        )

    def _replica(self) -> Mapping[str, Any] | None:
        """Return the replica's status; MySQL and old releases of MariaDB spell the question otherwise."""
        import pymysql

        try:
            rows = self._rows("SHOW REPLICA STATUS")
        except pymysql.ProgrammingError:
            rows = self._rows("SHOW SLAVE STATUS")
        return rows[0] if rows else None

    def _rows(self, statement: str) -> list[dict[str, Any]]:
        with self._connected().cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def _connected(self) -> Any:
        if self._connection is None:
            import pymysql
            from pymysql.cursors import DictCursor

            self._connection = pymysql.connect(
                **self._address,
                connect_timeout=max(1, round(self._timeout)),
                read_timeout=self._timeout,
                write_timeout=self._timeout,
                autocommit=True,
                program_name="airwarden",
                cursorclass=DictCursor,
            )
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.close()
            self._connection = None


def _address(dsn: str) -> dict[str, Any]:
    try:
        parts = urlsplit(dsn)
        port, host = parts.port or 3306, parts.hostname
    except ValueError:  # its text quotes what may be half a password
        parts, port, host = urlsplit(""), 0, None
    if not parts.scheme.startswith(("mysql", "mariadb")) or not host:
        raise WrongInputError(
            "not the address of a MariaDB server",
            hint="mysql://USER:PASSWORD@HOST:3306, with /, @, : and # in the password"
            " percent-encoded",
        )
    authority = parse_qs(parts.query).get("ssl_ca")
    return {
        "host": host,
        "port": port,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        **({"ssl": {"ca": authority[0]}} if authority else {}),
    }


def _replication(row: Mapping[str, Any] | None) -> dict[str, Any]:
    if row is None:
        return {}
    lag = row.get("Seconds_Behind_Master", row.get("Seconds_Behind_Source"))
    threads = [
        row.get(name)
        for names in (
            ("Slave_IO_Running", "Replica_IO_Running"),
            ("Slave_SQL_Running", "Replica_SQL_Running"),
        )
        for name in names
        if name in row
    ]
    return {
        "replication_lag": float(lag) if lag is not None else None,
        "replicating": all(thread == "Yes" for thread in threads),
    }


def _translated(error: Exception) -> UnavailableError | RejectedError:
    code, *text = error.args or (0,)
    said = str(text[0]) if text else type(error).__name__
    if code in _REFUSED:
        return RejectedError(f"the MariaDB server refuses us: {said}")
    return UnavailableError(f"the MariaDB server does not answer: {said}")
