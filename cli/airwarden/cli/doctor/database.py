"""What the two database roles may see and do, and the exact SQL that gives what they need."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from airwarden.adapters.connection_strings import connection_error, libpq_dsn
from airwarden.adapters.metadata_schemas import FOLDERS, NEWEST, grants, releases_of, schema_of
from airwarden.cli.doctor.finding import Finding, Outcome
from airwarden.core.errors import RejectedError
from airwarden.remediation.sessions import protected_name

Connection = psycopg.Connection[Any]
_GRANT = re.compile(r"GRANT\s+SELECT\s*(?:\(([^)]*)\))?\s*ON\s+([\w,\s]+?)\s+TO\s", re.I)
#: Applications that are signed in as a role that Airflow uses: the owner of its tables, or one whose
#: sessions go by Airflow's own names. Superusers' sessions are never ended, so they do not matter.
_AIRFLOWS_NAMES = """
WITH sessions AS (
  SELECT a.usesysid, coalesce(a.application_name, '') AS application
  FROM pg_stat_activity AS a JOIN pg_roles AS r ON r.oid = a.usesysid
  WHERE a.datname = current_database() AND a.backend_type = 'client backend'
    AND NOT r.rolsuper AND a.pid <> pg_backend_pid()
)
SELECT DISTINCT application FROM sessions
WHERE usesysid IN (SELECT relowner FROM pg_class WHERE relname = 'dag_run' AND relkind = 'r')
  OR usesysid IN (
    SELECT usesysid FROM sessions WHERE application = '' OR application ILIKE 'airflow%'
  )
ORDER BY application
"""
#: Whether this server is a replica, and the seconds since what it replayed last, 0 if nothing is missing.
_REPLICA = """
SELECT pg_is_in_recovery(),
  CASE
    WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
      AND EXISTS (SELECT 1 FROM pg_stat_wal_receiver) THEN 0
    ELSE extract(epoch FROM now() - coalesce(pg_last_xact_replay_timestamp(), pg_postmaster_start_time()))
  END::float8
"""
#: Seconds that a replica may be behind, and its numbers still pass for those of now.
_LATE = 10.0
_PRIVATE = ("connection", "variable", "xcom", "rendered_task_instance_fields")


@dataclass(frozen=True, slots=True)
class Needed:
    """SELECT on one table; on these columns only, or on all where none is named."""

    table: str
    columns: tuple[str, ...] = ()

    def grant(self, role: str, columns: tuple[str, ...]) -> str:
        """Return the SQL that gives `columns`, or the whole table where all are needed."""
        names = columns if self.columns else ()
        only = f" ({', '.join(map(_name, names))})" if names else ""
        return f"GRANT SELECT{only} ON {_name(self.table)} TO {_name(role)};"


def needed(statements: str) -> tuple[Needed, ...]:
    """Read what must be readable off the GRANT statements that the database adapter publishes."""
    found: list[Needed] = []
    for columns, tables in _GRANT.findall(statements):
        names = tuple(part.strip() for part in columns.split(",") if part.strip())
        found += [Needed(table.strip(), names) for table in tables.split(",")]
    return tuple(found)


def roles_sql(observer_grants: str, *, database: str, observer: str, terminator: str) -> str:
    """Return the SQL that makes both roles with what they need and nothing more.

    Args:
        observer_grants: GRANT statements for the observing role.
        database: Airflow's database.
        observer: The observing role.
        terminator: The role that ends sessions.
    """
    return "\n".join(
        (
            "-- Run as a superuser, connected to Airflow's database; choose the passwords yourself.",
            f"CREATE ROLE {_name(observer)} LOGIN PASSWORD '…' CONNECTION LIMIT 30;",
            f"ALTER ROLE {_name(observer)} SET default_transaction_read_only = on;",
            f"ALTER ROLE {_name(observer)} SET statement_timeout = '10s';",
            f"GRANT CONNECT ON DATABASE {_name(database)} TO {_name(observer)};",
            f"GRANT USAGE ON SCHEMA public TO {_name(observer)};",
            "\n".join(line for line in observer_grants.splitlines() if not line.startswith("--")),
            f"CREATE ROLE {_name(terminator)} LOGIN PASSWORD '…' CONNECTION LIMIT 2;",
            f"GRANT CONNECT ON DATABASE {_name(database)} TO {_name(terminator)};",
            f"GRANT pg_signal_backend, pg_read_all_stats TO {_name(terminator)};",
        )
    )


def _name(identifier: str) -> str:
    return sql.Identifier(identifier).as_string(None)


def probe_schema(system: str, dsn: str, *, timeout: float) -> tuple[str, Finding]:
    """Return the generation of a database's schema, and what is to be said of it.

    Where the revision may not be read yet, the tables tell: their columns are visible to everybody.

    Args:
        system: How findings name this database.
        dsn: Connection string; never shown.
        timeout: Seconds for connecting, and for each query.
    """

    def found(outcome: Outcome, sentence: str, mend: str = "") -> Finding:
        return Finding(system, "known schema", outcome, sentence, mend)

    try:
        with _connect(dsn, timeout) as connection:
            try:
                schema = schema_of(
                    str(_one(connection, "SELECT version_num FROM alembic_version")[0])
                )
            except psycopg.errors.InsufficientPrivilege:
                folder = _folder_by_tables(connection)
                releases = releases_of(folder)
                return folder, found(Outcome.LIMITED, f"by its tables that of Airflow {releases}")
    except (psycopg.Error, IndexError) as error:
        text = (str(error).strip().splitlines() or ["no revision"])[0]
        return NEWEST, found(Outcome.LIMITED, f"cannot be told: {text}")
    except RejectedError as error:
        mend = "install a version of Airwarden that knows it, or remove metadata_database"
        return NEWEST, found(Outcome.FAILED, str(error), mend)
    sentence = f"revision {schema.revision}: Airflow {schema.releases}"
    return schema.folder, found(Outcome.OK, sentence)


def _folder_by_tables(connection: Connection) -> str:
    """Return the newest generation of which every column that is read is there."""
    for folder in reversed(FOLDERS):
        wanted = needed(grants("x", folder))
        readable, _ = _privileges(connection, tuple(one.table for one in wanted))
        if all(
            one.table in readable and set(one.columns) <= readable[one.table].keys()
            for one in wanted
        ):
            return folder
    return NEWEST


def probe_observer(
    system: str, dsn: str, tables: tuple[Needed, ...], *, timeout: float
) -> Iterator[Finding]:
    """Yield what the observing role may see.

    Args:
        system: How findings name this database.
        dsn: Connection string; never shown.
        tables: What must be readable.
        timeout: Seconds for connecting, and for each query.
    """
    try:
        with _connect(dsn, timeout) as connection:
            yield from _observer(system, connection, tables)
    except psycopg.Error as error:
        yield _unreachable(system, "reach it", error)


def _observer(system: str, connection: Connection, tables: tuple[Needed, ...]) -> Iterator[Finding]:
    role, version, superuser, monitor = _one(
        connection,
        "SELECT current_user, current_setting('server_version'),"
        " (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),"
        " pg_has_role(current_user, 'pg_monitor', 'USAGE')",
    )
    yield Finding(system, "reach it", Outcome.OK, f"PostgreSQL {version} as {role}")
    if superuser:
        yield Finding(
            system,
            "least rights",
            Outcome.EXCESS,
            f"{role} is a superuser",
            "use a role made by the SQL below",
        )
    yield Finding(
        system,
        "see sessions",
        Outcome.OK if monitor else Outcome.LIMITED,
        "sees all sessions"
        if monitor
        else "sees nobody else's sessions: leaks and locks are hidden",
        "" if monitor else f"GRANT pg_monitor TO {_name(role)};",
    )
    yield from _replica(system, connection)
    yield from _tables(system, connection, role, tables)


def _replica(system: str, connection: Connection) -> Iterator[Finding]:
    """Yield how old everything is that is read here, where this server is a replica."""
    standby, lag = _one(connection, _REPLICA)
    if not standby:
        return
    behind = (
        f"a replica, {lag:.0f} s behind" if lag is not None else "a replica that has seen no change"
    )
    if lag is not None and lag > _LATE:
        yield Finding(
            system,
            "read what is true now",
            Outcome.LIMITED,
            f"{behind}: every number read from it is that old",
            "name the primary in dsn, or mend the replication; airwarden_collector_source_lag_seconds shows"
            " it by collector",
        )
    else:
        yield Finding(system, "read what is true now", Outcome.OK, behind)


def _tables(
    system: str, connection: Connection, role: str, wanted: tuple[Needed, ...]
) -> Iterator[Finding]:
    tables = tuple(one.table for one in wanted)
    readable, writable = _privileges(connection, (*tables, *_PRIVATE))
    absent = sorted(set(tables) - readable.keys())
    if len(absent) == len(set(tables)):
        yield Finding(
            system,
            "read tables",
            Outcome.FAILED,
            "this is not Airflow's database: none of its tables are here",
            "check the database's name and the search_path in the connection string",
        )
        return
    refused = [(one, _refused(one, readable[one.table])) for one in wanted if one.table in readable]
    mends = [one.grant(role, columns) for one, columns in refused if columns]
    if mends:
        names = ", ".join(sorted({one.table for one, columns in refused if columns}))
        yield Finding(
            system, "read tables", Outcome.FAILED, f"may not read {names}", "\n".join(mends)
        )
    else:
        yield Finding(system, "read tables", Outcome.OK, f"reads {len(refused)} tables")
    if absent:
        yield Finding(
            system,
            "tables",
            Outcome.LIMITED,
            f"these tables do not exist in this version of Airflow: {', '.join(absent)}",
        )
    private = [table for table in _PRIVATE if any(readable.get(table, {}).values())]
    for names, what in ((", ".join(writable), "write"), (", ".join(private), "read")):
        if names:
            yield Finding(
                system,
                "least rights",
                Outcome.EXCESS,
                f"may {what} {names}, which is not needed",
                "use a role made by the SQL below",
            )


def _privileges(
    connection: Connection, tables: tuple[str, ...]
) -> tuple[dict[str, dict[str, bool]], list[str]]:
    """Return table → column → may read it, and the tables that may be written."""
    readable: dict[str, dict[str, bool]] = {}
    writable: set[str] = set()
    for table, column, read, write in connection.execute(
        "SELECT t.name, a.attname, has_column_privilege(c.oid, a.attnum, 'SELECT'),"
        " has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')"
        " FROM unnest(%s::text[]) AS t(name)"
        " CROSS JOIN LATERAL (SELECT to_regclass(quote_ident(t.name)) AS oid) c"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped",
        [list(dict.fromkeys(tables))],
    ):
        readable.setdefault(table, {})[column] = read
        if write:
            writable.add(table)
    return readable, sorted(writable)


def _refused(one: Needed, columns: dict[str, bool]) -> tuple[str, ...]:
    """Return the columns that are needed and not readable."""
    return tuple(name for name in (one.columns or columns) if not columns.get(name, True))


def probe_terminator(system: str, dsn: str, *, timeout: float) -> Iterator[Finding]:
    """Yield whether the second role may end sessions; see `probe_observer` for the arguments."""
    subject = "end sessions"
    try:
        with _connect(dsn, timeout) as connection:
            role, may, sees = _one(
                connection,
                "SELECT current_user, pg_has_role(current_user, 'pg_signal_backend', 'USAGE'),"
                " pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')",
            )
            names = [str(row[0]) for row in connection.execute(_AIRFLOWS_NAMES)]
    except psycopg.Error as error:
        yield _unreachable(system, subject, error)
        return
    lacking = [
        name for name, has in (("pg_signal_backend", may), ("pg_read_all_stats", sees)) if not has
    ]
    if lacking:
        yield Finding(
            system,
            subject,
            Outcome.LIMITED,
            f"{role} may not end sessions of others"
            if not may
            else f"{role} cannot see whom to end",
            f"GRANT {', '.join(lacking)} TO {_name(role)};",
        )
    else:
        yield Finding(system, subject, Outcome.OK, f"{role} may end sessions")
        yield from _unrecognised(system, [name for name in names if not protected_name(name)])


def _unrecognised(system: str, names: Sequence[str]) -> Iterator[Finding]:
    """Yield a warning where sessions of Airflow's role would not be taken for Airflow's own."""
    if names:
        yield Finding(
            system,
            "spare Airflow's sessions",
            Outcome.EXCESS,
            f"Airflow's database role is also signed in as {', '.join(names)}: sessions of such a"
            " name may be ended when they leak or hold the scheduler's lock",
            "if Airflow itself bears that name, take application_name out of its connection string,"
            " let the name begin with airflow, or name it under protect in playbook"
            " database-session",
        )


def _connect(dsn: str, timeout: float) -> Connection:
    connection = psycopg.connect(
        libpq_dsn(dsn),
        connect_timeout=max(2, round(timeout)),
        application_name="airwarden-doctor",
        autocommit=True,
    )
    connection.execute(
        sql.SQL("SET statement_timeout = {}").format(sql.Literal(round(timeout * 1000)))
    )
    return connection


def _one(connection: Connection, query: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    return tuple(row or ())


def _unreachable(system: str, subject: str, error: psycopg.Error) -> Finding:
    return Finding(
        system,
        subject,
        Outcome.FAILED,
        f"no connection: {connection_error(error)}",
        "check address, role and password; airwarden doctor --sql shows how to make the roles",
    )
