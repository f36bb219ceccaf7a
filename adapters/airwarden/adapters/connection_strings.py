"""PostgreSQL connection strings as people paste them, and errors about them that repeat no secret.

libpq quotes what it cannot read of a connection string, and that is often the password: an unescaped
`%`, `/` or `@` in it, or Airflow's own `postgresql+psycopg2://…`, which is SQLAlchemy's and not libpq's.
"""

from __future__ import annotations

import re

_DRIVER = re.compile(r"^postgres(?:ql)?\+\w+://")
#: libpq's sentences that go on with a piece of the connection string.
_QUOTING = ("invalid port number", "invalid integer value", "could not translate host name")
#: An unescaped @ in the password: what follows it is taken for the host.
_HALF_A_PASSWORD = re.compile(r"resolve host '[^']*@")
#: Names of the machine that one is on.
_THIS_MACHINE = ("", "localhost", "127.0.0.1", "::1")
_UNREADABLE = (
    "the connection string cannot be read: write postgresql://USER:PASSWORD@HOST:5432/DATABASE,"
    " with %, /, @, : and # in the password percent-encoded"
)


def libpq_dsn(dsn: str) -> str:
    """Return the string as libpq takes it: SQLAlchemy's driver is cut off the scheme."""
    return _DRIVER.sub("postgresql://", dsn, count=1)


def same_database(one: str, other: str) -> bool:
    """Return whether two connection strings surely name one database; False where one cannot be read."""
    import psycopg

    try:
        places = [_places(libpq_dsn(text)) for text in (one, other)]
    except psycopg.Error:
        return False
    return bool(places[0] & places[1])


def _places(dsn: str) -> set[tuple[str, str, str]]:
    """Return host, port and database; several where several hosts are named."""
    from psycopg.conninfo import conninfo_to_dict

    found = {name: str(value) for name, value in conninfo_to_dict(dsn).items()}
    hosts = (found.get("host") or found.get("hostaddr") or "").split(",")
    ports = found.get("port", "5432").split(",")
    database = found.get("dbname", found.get("user", ""))
    return {
        (
            "localhost" if host in _THIS_MACHINE or host.startswith("/") else host.lower(),
            ports[min(number, len(ports) - 1)] or "5432",
            database,
        )
        for number, host in enumerate(hosts)
    }


def connection_error(error: Exception) -> str:
    """Return the first line of a failed connection's error, without any of the connection string."""
    import psycopg

    lines = str(error).strip().splitlines()
    if not lines:
        return type(error).__name__
    unread = isinstance(error, psycopg.ProgrammingError) and error.sqlstate is None
    if unread or any(sign in lines[0] for sign in _QUOTING) or _HALF_A_PASSWORD.search(lines[0]):
        return _UNREADABLE
    return lines[0]
