"""Where everything of one platform lies and how it is reached.

One state folder holds one platform. ``platform.json`` in it (mode 0600) is the only
thing others read: ports are chosen when it is first written and kept afterwards.
Passwords are never in it; it names the files that hold them.
"""

from __future__ import annotations

import hashlib
import os
import random
import secrets
import socket
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from localplatform.errors import PlatformError

LOOPBACK = "127.0.0.1"
REPOSITORY = Path(__file__).resolve().parents[3]
STATE_OVERRIDE = "AIRWARDEN_PLATFORM_STATE"
AIRFLOW_VENV_OVERRIDE = "AIRWARDEN_AIRFLOW_VENV"
PORT_RANGE = range(21000, 22000)
"""Below the kernel's ephemeral range: a client's socket can never sit on a port of ours."""

WORKER_NUMBERS = range(4)
Component = Literal[
    "postgres", "redis", "proxy", "dependency", "api-server", "scheduler", "dag-processor",
    "triggerer", "worker", "prometheus", "alertmanager", "airwarden",
]  # fmt: skip


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Program(_Model):
    """One supervised program: its supervisord name, what it is, and the host name it reports."""

    name: str
    component: Component
    hostname: str | None = None


class AirflowAccess(_Model):
    """Airflow's REST API and files. ``user`` may operate, ``viewer`` may only read."""

    url: str
    user: str
    password_file: Path
    viewer: str
    viewer_password_file: Path
    admin: str
    admin_password_file: Path
    home: Path
    dags_dir: Path
    executable: Path
    scheduler_health_ports: list[int]


class PostgresAccess(_Model):
    """PostgreSQL, directly and through the fault proxy. Each file holds one DSN (libpq URI).

    ``observer``, ``terminator`` and ``journal`` go through the proxy as Airflow does;
    ``admin`` is a superuser, direct, for fault injection only.
    """

    host: str
    port: int
    proxy_port: int
    database: str
    journal_database: str
    max_connections: int
    data_dir: Path
    admin_dsn_file: Path
    airflow_dsn_file: Path
    airflow_direct_dsn_file: Path
    observer_dsn_file: Path
    terminator_dsn_file: Path
    journal_dsn_file: Path


class RedisAccess(_Model):
    """The Celery broker: ``url`` through the fault proxy, ``direct_url`` not."""

    url: str
    direct_url: str
    port: int


class SupervisordAccess(_Model):
    """supervisord's XML-RPC endpoint (HTTP basic authentication)."""

    url: str
    user: str
    password_file: Path
    config: Path
    include_dir: Path
    pid_file: Path
    socket_port: int


class MonitoringAccess(_Model):
    """Prometheus and Alertmanager, and the files they read; see ``monitoring.py``."""

    prometheus_url: str
    prometheus_config: Path
    prometheus_rules_dir: Path
    alertmanager_url: str
    alertmanager_config: Path


class DependencyAccess(_Model):
    """The external service that some DAGs need: ``PUT {url}/control/down`` and ``…/up``."""

    name: str
    url: str


class ProxyAccess(_Model):
    """Control endpoints of the TCP fault proxies; see ``proxy.py``."""

    postgres_control_url: str
    redis_control_url: str


class Platform(_Model):
    """Everything needed to reach one local platform."""

    state_dir: Path
    log_dir: Path
    run_dir: Path
    airflow: AirflowAccess
    postgres: PostgresAccess
    redis: RedisAccess
    supervisord: SupervisordAccess
    monitoring: MonitoringAccess
    dependency: DependencyAccess
    proxies: ProxyAccess
    programs: list[Program]

    @classmethod
    def load(cls, state_dir: Path | None = None) -> Platform:
        """Read the description of an existing platform.

        Raises :class:`PlatformError` when there is none in ``state_dir``.
        """
        path = description_path(state_dir or default_state_dir())
        try:
            return cls.model_validate_json(path.read_text())
        except FileNotFoundError:
            raise PlatformError(
                f"no platform in {path.parent}: start one with `make up` "
                "or `python -m localplatform up`"
            ) from None

    def save(self) -> None:
        """Write ``platform.json``, readable by its owner only."""
        write_private(description_path(self.state_dir), self.model_dump_json(indent=2) + "\n")

    def program(self, name: str) -> Program:
        """Return the supervised program of that name (with or without its group).

        Raises :class:`PlatformError` naming those that exist.
        """
        for program in self.programs:
            if name in (program.name, program.name.rpartition(":")[2]):
                return program
        known = ", ".join(p.name for p in self.programs)
        raise PlatformError(f"no supervised program {name!r}; there are: {known}")

    def dsn(self, path: Path) -> str:
        """Return the DSN held in one of the DSN files."""
        return path.read_text().strip()


def default_state_dir() -> Path:
    """Return ``AIRWARDEN_PLATFORM_STATE`` if set, else ``var/platform`` of this repository."""
    chosen = os.environ.get(STATE_OVERRIDE)
    return Path(chosen).resolve() if chosen else REPOSITORY / "var" / "platform"


def airflow_venv() -> Path:
    """Return the virtual environment that holds Airflow (``.venv-airflow`` unless overridden)."""
    chosen = os.environ.get(AIRFLOW_VENV_OVERRIDE)
    return Path(chosen).resolve() if chosen else REPOSITORY / ".venv-airflow"


def description_path(state_dir: Path) -> Path:
    """Return where the description of the platform in ``state_dir`` lies."""
    return state_dir / "platform.json"


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, replacing it at once or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as stream:
        stream.write(text)
    temporary.replace(path)


def secret(path: Path) -> str:
    """Return the secret in ``path``, making a new one on first use."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(24) + "\n")
    return path.read_text().strip()


def port_is_free(port: int) -> bool:
    """Whether a server could listen on that loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def choose_ports(count: int, *, avoid: frozenset[int] = frozenset()) -> list[int]:
    """Return that many different free loopback ports of :data:`PORT_RANGE`."""
    candidates = [port for port in PORT_RANGE if port not in avoid]
    random.shuffle(candidates)
    chosen: list[int] = []
    for port in candidates:
        if len(chosen) == count:
            break
        if port_is_free(port):
            chosen.append(port)
    if len(chosen) < count:
        raise PlatformError(f"fewer than {count} free ports in {PORT_RANGE}")
    return chosen


def data_home(state_dir: Path) -> Path:
    """Return a folder for PostgreSQL's data that the user running it can reach.

    As root the server runs as ``postgres``, who may not be allowed through the folders
    above the state folder (a clone under a private home, say); then the data lies under
    ``/var/tmp`` in a folder named after the state folder.
    """
    if os.geteuid() != 0 or _others_can_reach(state_dir):
        return state_dir / "postgres"
    name = hashlib.sha256(str(state_dir).encode()).hexdigest()[:12]
    return Path("/var/tmp") / f"airwarden-platform-{name}" / "postgres"


def _others_can_reach(folder: Path) -> bool:
    return all(step.stat().st_mode & 0o001 for step in (folder, *folder.parents))
