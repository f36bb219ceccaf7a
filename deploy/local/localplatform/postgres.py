"""PostgreSQL: its data folder, its roles, and what each role may do."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg import sql

from localplatform.errors import PlatformError
from localplatform.layout import LOOPBACK, Platform, secret, write_private
from localplatform.supervisord import ProgramSpec
from localplatform.waiting import wait_until

SERVER_USER = "postgres"

OBSERVED_TABLES = (
    "alembic_version", "asset", "asset_active", "asset_dag_run_queue", "asset_event",
    "backfill", "backfill_dag_run", "callback", "dag", "dag_bundle", "dag_run", "dag_schedule_asset_reference",
    "dag_tag", "dag_version", "dag_warning", "dagrun_asset_event", "deadline", "deadline_alert",
    "import_error", "job", "log", "slot_pool", "task_instance", "task_instance_history",
    "task_outlet_asset_reference", "task_reschedule", "trigger",
)  # fmt: skip
"""What the observing role may read: no connection, no variable, no XCom, no rendered field."""

OBSERVER_STATEMENT_TIMEOUT_MS = 10_000

# A throw-away platform: durability is given up for speed, nothing else is changed.
SERVER_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "1GB",
    "shared_buffers": "256MB",
    "unix_socket_directories": "",
    "listen_addresses": LOOPBACK,
    "log_min_duration_statement": "2000",
    "track_io_timing": "on",
}


def binary(name: str) -> Path:
    """Return the path of a PostgreSQL server program, of the newest version installed.

    Raises :class:`PlatformError` naming the Debian package when there is none.
    """
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/" + name),
        key=lambda path: float(path.parts[-3]),
    )
    found = versions[-1] if versions else shutil.which(name)
    if found is None:
        raise PlatformError("PostgreSQL's server programs are missing: apt-get install postgresql")
    return Path(found)


def create_data(platform: Platform) -> bool:
    """Make the data folder with initdb; return False when there is one already."""
    access = platform.postgres
    if (access.data_dir / "PG_VERSION").exists():
        return False
    # A folder without PG_VERSION is an initdb that was interrupted.
    shutil.rmtree(access.data_dir, ignore_errors=True)
    access.data_dir.mkdir(parents=True, mode=0o700)
    access.data_dir.parent.chmod(0o711)
    as_root = os.geteuid() == 0
    prefix = ["runuser", "--user", SERVER_USER, "--"] if as_root else []
    with tempfile.NamedTemporaryFile("w", suffix=".pgpass") as password_file:
        password_file.write(_password(platform, "admin") + "\n")
        password_file.flush()
        if as_root:
            account = pwd.getpwnam(SERVER_USER)
            os.chown(access.data_dir, account.pw_uid, account.pw_gid)
            os.fchown(password_file.fileno(), account.pw_uid, account.pw_gid)
        done = subprocess.run(
            [
                *prefix, str(binary("initdb")), "--pgdata", str(access.data_dir),
                "--username", "postgres", "--pwfile", password_file.name,
                "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync",
            ],
            capture_output=True,
            text=True,
            cwd="/",
            timeout=120,
            check=False,
        )  # fmt: skip
    if done.returncode != 0:
        raise PlatformError(f"initdb failed: {done.stderr.strip() or done.stdout.strip()}")
    return True


def program(platform: Platform) -> ProgramSpec:
    """Return the server as a supervised program."""
    access = platform.postgres
    settings = SERVER_SETTINGS | {
        "port": str(access.port),
        "max_connections": str(access.max_connections),
    }
    arguments = [str(binary("postgres")), "-D", str(access.data_dir)]
    for name, value in settings.items():
        arguments += ["-c", f"{name}={value}"]
    return ProgramSpec(
        name="postgres",
        command=arguments,
        directory=Path("/"),
        user=SERVER_USER if os.geteuid() == 0 else None,
        stop_signal="INT",  # a fast shutdown: sessions are ended, nothing is lost
        stop_wait=30,
        autostart=True,
        priority=10,
    )


def write_dsn_files(platform: Platform) -> None:
    """Write one file per role with its connection string, readable by its owner only."""
    access = platform.postgres
    proxied, direct = access.proxy_port, access.port
    files: list[tuple[Path, str, str, int, str]] = [
        (access.admin_dsn_file, "postgres", "admin", direct, "postgres"),
        (access.airflow_dsn_file, "airflow", "airflow", proxied, access.database),
        (access.airflow_direct_dsn_file, "airflow", "airflow", direct, access.database),
        (access.observer_dsn_file, "airwarden_observer", "observer", proxied, access.database),
        (access.terminator_dsn_file, "airwarden_terminator", "terminator", proxied,
         access.database),
        (access.journal_dsn_file, "airwarden", "journal", proxied, access.journal_database),
    ]  # fmt: skip
    for path, user, password_name, port, database in files:
        password = _password(platform, password_name)
        write_private(path, f"postgresql://{user}:{password}@{access.host}:{port}/{database}\n")


def connect_as_admin(platform: Platform, database: str | None = None) -> psycopg.Connection:
    """Open a superuser session, direct, outside transactions."""
    dsn = platform.dsn(platform.postgres.admin_dsn_file)
    return psycopg.connect(
        dsn,
        dbname=database or "postgres",
        autocommit=True,
        connect_timeout=5,
        application_name="localplatform",
    )


def wait_ready(platform: Platform, *, seconds: float) -> None:
    """Wait until the server takes connections."""

    def ready() -> bool:
        try:
            connect_as_admin(platform).close()
        except psycopg.OperationalError as error:
            raise ConnectionError(str(error)) from None
        return True

    wait_until(ready, seconds=seconds, what="PostgreSQL takes connections", every=0.1)


def create_roles_and_databases(platform: Platform) -> None:
    """Make the roles and the two databases; those that exist get their password set again."""
    access = platform.postgres
    roles: Sequence[tuple[str, str, tuple[str, ...]]] = (
        ("airflow", "airflow", ()),
        ("airwarden", "journal", ()),
        ("airwarden_observer", "observer", ("pg_monitor",)),
        # pg_read_all_stats: ending a session compares its start and state in the same
        # statement, and those columns are NULL for whoever may not read them.
        ("airwarden_terminator", "terminator", ("pg_signal_backend", "pg_read_all_stats")),
    )
    with connect_as_admin(platform) as connection:
        for role, password_name, memberships in roles:
            password = sql.Literal(_password(platform, password_name))
            exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
            statement = sql.SQL(
                "ALTER ROLE {} PASSWORD {}"
                if exists.fetchone()
                else "CREATE ROLE {} LOGIN PASSWORD {}"
            )
            connection.execute(statement.format(sql.Identifier(role), password))
            for group in memberships:
                connection.execute(
                    sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(role))
                )
        connection.execute(
            sql.SQL("ALTER ROLE airwarden_observer SET statement_timeout = {}").format(
                sql.Literal(OBSERVER_STATEMENT_TIMEOUT_MS)
            )
        )
        connection.execute("ALTER ROLE airwarden_observer SET default_transaction_read_only = on")
        for database, owner in (
            (access.database, "airflow"),
            (access.journal_database, "airwarden"),
        ):
            exists = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,))
            if not exists.fetchone():
                connection.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(
                        sql.Identifier(database), sql.Identifier(owner)
                    )
                )


def grant_observer(platform: Platform) -> list[str]:
    """Let the observing role read the tables it is meant to; return those that do not exist."""
    with connect_as_admin(platform, platform.postgres.database) as connection:
        rows = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        present = {row[0] for row in rows}
        granted = [table for table in OBSERVED_TABLES if table in present]
        connection.execute(
            sql.SQL("GRANT SELECT ON {} TO airwarden_observer").format(
                sql.SQL(", ").join(map(sql.Identifier, granted))
            )
        )
    return [table for table in OBSERVED_TABLES if table not in present]


def _password(platform: Platform, name: str) -> str:
    return secret(platform.state_dir / "secrets" / f"postgres-{name}.password")
