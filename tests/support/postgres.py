"""One PostgreSQL server a session, and a fresh database a test, copied from a template.

`fresh_database()` is empty; `fresh_database(template="airflow")` holds Airflow's schema, migrated once
by Airflow itself and kept as a dump under `.cache/`, keyed by Airflow's version; with `template="observed"`
the role `OBSERVER` may read there what `grants` gives it, and nothing else. The Airflow virtual environment is found by `AIRWARDEN_AIRFLOW_VENV`, `.venv-airflow` beside `pyproject.toml` otherwise.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg
import pytest
from psycopg import sql

from airwarden.adapters.metadata_schemas import grants
from support.eventually import eventually
from support.servers import Child, free_port

ROOT = Path(__file__).resolve().parents[2]
#: The server's superuser is `postgres`; so is the password, on a throw-away loopback server.
PASSWORD = "postgres"
#: Small, so that a test can exhaust it: 3 of them are reserved for superusers.
MAX_CONNECTIONS = 60
#: Name and password of the role that may observe a copy of `observed`.
OBSERVER = ("watcher", "w")

FreshDatabase = Callable[..., "Database"]


@dataclass(frozen=True)
class Database:
    """One database of the session's server.

    Attributes:
        name, port: Where it is.
        user, password: The superuser.
    """

    name: str
    port: int
    user: str = "postgres"
    password: str = PASSWORD

    @property
    def dsn(self) -> str:
        """The libpq URL, as psycopg takes it."""
        return self.dsn_as(self.user, self.password)

    @property
    def sqlalchemy_url(self) -> str:
        """The URL for SQLAlchemy over psycopg 3."""
        return self.dsn.replace("postgresql://", "postgresql+psycopg://", 1)

    def dsn_as(self, user: str, password: str) -> str:
        """Return the libpq URL for another role."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{self.name}"

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Return a new autocommit connection as superuser; the caller closes it."""
        return psycopg.connect(self.dsn, autocommit=True)

    def execute(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run one statement on a connection of its own and return its rows, if it gives any."""
        with self.connect() as connection:
            cursor = connection.execute(statement.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []


class PostgresServer:
    """A PostgreSQL server of our own in a temporary folder.

    Args:
        data: Where its databases stay when it stops, for the next one; None: they go with it.
        settings: Changes to the server's settings.
        durable: Flush to disk at each commit, as a real one does; tests are faster without.
    """

    def __init__(
        self,
        data: Path | None = None,
        settings: Mapping[str, str] = MappingProxyType({}),
        *,
        durable: bool = False,
    ) -> None:
        self._durable = durable
        self.port = free_port()
        self._bin = _binaries()
        self._folder = Path(tempfile.mkdtemp(prefix="airwarden-pg-"))
        self._data = data or self._folder / "data"
        self._settings = settings
        self._numbers = itertools.count(1)
        self._templates: set[str] = set()
        self._user: list[str] = []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            account = pwd.getpwnam("postgres")
            os.chown(self._folder, account.pw_uid, account.pw_gid)
            self._user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            if data is not None:
                data.mkdir(parents=True, exist_ok=True)
                os.chown(data, account.pw_uid, account.pw_gid)
        if not (self._data / "PG_VERSION").exists():
            self._initdb()
        self._child = self._start()

    def _initdb(self) -> None:
        secret = self._folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run(
            "initdb", "-D", str(self._data), "-U", "postgres", f"--pwfile={secret}",
            "--auth=scram-sha-256", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8",
        )  # fmt: skip

    def _start(self) -> Child:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self._folder),
            "max_connections": str(MAX_CONNECTIONS),
            "shared_buffers": "64MB",
            "shared_preload_libraries": "pg_stat_statements",
            **self._settings,
        }
        if not self._durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        command = [*self._user, str(self._bin / "postgres"), "-D", str(self._data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        child = Child(command, self._folder / "server.log")
        eventually(lambda: self._accepts(child), within=30, what="PostgreSQL accepts connections")
        return child

    def _accepts(self, child: Child) -> bool:
        child.check()
        try:
            psycopg.connect(self._maintenance.dsn, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    @property
    def _maintenance(self) -> Database:
        return Database("postgres", self.port)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [*self._user, str(self._bin / program), *arguments],
            capture_output=True, text=True, timeout=120, cwd=self._folder,
            env={**os.environ, "PGPASSWORD": PASSWORD},
        )  # fmt: skip
        if done.returncode:
            raise AssertionError(f"{program} failed: {done.stderr[-2000:]}")

    @property
    def _place(self) -> tuple[str, ...]:
        return ("-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres")

    def names(self) -> set[str]:
        """Return the names of the databases there are."""
        return {str(row[0]) for row in self._maintenance.execute("SELECT datname FROM pg_database")}

    def rename(self, database: Database, name: str) -> Database:
        """Give a database another name."""
        with self._maintenance.connect() as connection:
            connection.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                    sql.Identifier(database.name), sql.Identifier(name)
                )
            )
        return Database(name, self.port)

    def create(self, name: str, template: str = "template1") -> Database:
        """Create a database as a copy of another."""
        with self._maintenance.connect() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY {}").format(
                    sql.Identifier(name),
                    sql.Identifier(template),
                    # The log would hold a large copy once more.
                    sql.Identifier("file_copy" if self._is_large(template) else "wal_log"),
                )
            )
        return Database(name, self.port)

    def _is_large(self, name: str) -> bool:
        return name not in {"template1", *self._templates} and bool(
            self._maintenance.execute("SELECT pg_database_size(%s) > 2e8", name)[0][0]
        )

    def drop(self, database: Database) -> None:
        """Drop a database, ending the sessions still in it."""
        with self._maintenance.connect() as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(
                    sql.Identifier(database.name)
                )
            )

    def fresh(self, template: str = "", name: str = "") -> Database:
        """Create a database for one test: empty, or a copy of a template (`airflow`, `observed`)."""
        if template == "airflow":
            self._make_airflow_template()
        if template == "observed":
            self._make_observed_template()
        return self.create(name or f"test_{next(self._numbers)}", template or "template1")

    def _make_airflow_template(self) -> None:
        if "airflow" not in self._templates | self.names():
            self._fill_or_load(
                "airflow",
                f"airflow-schema-{airflow_version()}",
                "",
                lambda database: migrate(airflow_venv(), database),
            )
            self._templates.add("airflow")

    def _make_observed_template(self) -> None:
        if "observed" in self._templates | self.names():
            return
        database = self.fresh("airflow", name="observed")
        with database.connect() as connection:
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                    sql.Identifier(OBSERVER[0]), sql.Literal(OBSERVER[1])
                )
            )
            connection.execute(grants(OBSERVER[0]).encode())
        self._templates.add("observed")

    def kept(self, name: str, *, template: str, fill: Callable[[Database], None]) -> Database:
        """Return a database that `fill` made once; later sessions load its dump.

        Args:
            name: Changes whenever what `fill` does changes.
            template: What it is a copy of (`airflow`), before it is filled.
            fill: Fills it; takes seconds to minutes.
        """
        return self._fill_or_load(f"kept_{next(self._numbers)}", name, template, fill)

    def _fill_or_load(
        self, name: str, dump_name: str, template: str, fill: Callable[[Database], None]
    ) -> Database:
        dump = ROOT / ".cache" / f"{dump_name}.sql"
        dump.parent.mkdir(exist_ok=True)
        # Another process that fills the same is waited for: its dump is loaded in a fraction of the time.
        with dump.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not dump.exists():
                return self._fill_and_dump(name, template, fill, dump)
        database = self.create(name)
        self.load(database, dump)
        return database

    def _fill_and_dump(
        self, name: str, template: str, fill: Callable[[Database], None], dump: Path
    ) -> Database:
        if template == "airflow":
            self._make_airflow_template()
        database = self.create(name, template or "template1")
        try:
            fill(database)
            self._dump(database, dump)
        except BaseException:
            self.drop(database)
            raise
        return database

    def holding(self, dump: Path) -> str:
        """Return the name of a template that holds what a file of SQL makes, for `fresh`."""
        name = f"holding_{dump.stem}"
        if name not in self._templates:
            self.load(self.create(name), dump)
            self._templates.add(name)
        return name

    def load(self, database: Database, dump: Path) -> None:
        """Run a file of SQL in a database."""
        copy = self._folder / dump.name
        shutil.copyfile(dump, copy)
        copy.chmod(0o644)
        self._run(
            "psql", *self._place, "-q", "-v", "ON_ERROR_STOP=1", "-f", str(copy), database.name
        )

    def dump(self, database: Database, *options: str) -> str:
        """Return what pg_dump writes with these options."""
        copy = self._folder / f"{database.name}.sql"
        self._run("pg_dump", *self._place, "--no-owner", *options, "-f", str(copy), database.name)
        return copy.read_text()

    def _dump(self, database: Database, dump: Path) -> None:
        copy = self._folder / dump.name
        self._run("pg_dump", *self._place, "--no-owner", "-f", str(copy), database.name)
        partial = dump.with_suffix(f".{os.getpid()}")
        shutil.copyfile(copy, partial)
        partial.replace(dump)

    def halt(self) -> None:
        """End the server at once, as a failing host does; `resume` starts it on the same data."""
        self._child.stop(signal.SIGQUIT)

    def resume(self) -> None:
        """Start it again after `halt`."""
        self._child = self._start()

    def configure(self, setting: str, value: str) -> None:
        """Set a server-wide setting for every session, those that are there included."""
        with self._maintenance.connect() as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(
                sql.SQL("ALTER SYSTEM SET {} = {}").format(
                    sql.Identifier(setting), sql.Literal(value)
                )
            )
            connection.execute("SELECT pg_reload_conf()")

    def stop(self) -> None:
        """End the server and remove its folder."""
        self._child.stop(signal.SIGINT)  # fast shutdown: it does not wait for sessions
        shutil.rmtree(self._folder, ignore_errors=True)


def _binaries() -> Path:
    """Return the newest folder that holds PostgreSQL's server programs."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    if folders:
        return folders[-1]
    found = shutil.which("initdb")
    if found is None:
        pytest.fail("PostgreSQL's server programs are missing: apt-get install postgresql")
    return Path(found).parent


def airflow_venv() -> Path:
    """Return the virtual environment that holds Airflow."""
    venv = Path(os.environ.get("AIRWARDEN_AIRFLOW_VENV", ROOT / ".venv-airflow"))
    if not (venv / "bin" / "airflow").exists():
        pytest.fail(f"no Airflow in {venv}: run `make platform` or set AIRWARDEN_AIRFLOW_VENV")
    return venv


def airflow_version() -> str:
    """Return Airflow's version, read from its metadata (its command line takes seconds)."""
    found = list(airflow_venv().glob("lib/python*/site-packages/apache_airflow_core-*.dist-info"))
    assert found, "apache-airflow-core is not installed"
    return found[0].name.removeprefix("apache_airflow_core-").removesuffix(".dist-info")


def migrate(venv: Path, database: Database) -> None:
    """Let the Airflow of a virtual environment create its schema in an empty database."""
    with tempfile.TemporaryDirectory(prefix="airwarden-airflow-") as home:
        done = subprocess.run(
            [str(venv / "bin" / "airflow"), "db", "migrate"],
            capture_output=True, text=True, timeout=180,
            env={
                "PATH": os.environ["PATH"],
                "HOME": home,
                "AIRFLOW_HOME": home,
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database.dsn.replace(
                    "postgresql://", "postgresql+psycopg2://", 1
                ),
            },
        )  # fmt: skip
    if done.returncode:
        raise AssertionError(f"airflow db migrate failed: {done.stderr[-3000:]}")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The session's PostgreSQL server."""
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture
def fresh_database(postgres_server: PostgresServer) -> Iterator[FreshDatabase]:
    """A function that makes databases for this test and drops them afterwards.

    `fresh_database()` gives an empty one, `fresh_database(template="airflow")` Airflow's schema,
    `fresh_database(template="observed")` that schema with the observing role.
    """
    made: list[Database] = []

    def make(template: str = "") -> Database:
        made.append(postgres_server.fresh(template))
        return made[-1]

    yield make
    for database in made:
        postgres_server.drop(database)
