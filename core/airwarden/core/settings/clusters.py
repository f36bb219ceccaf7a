"""`clusters:`: the Airflow platforms that are watched and healed, and how to reach each part."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from airwarden.core.components import Component
from airwarden.core.durations import Duration
from airwarden.core.settings.base import (
    ConfigPath,
    HttpUrl,
    ListenAddress,
    SecretRef,
    Section,
    Server,
    wrong,
)
from airwarden.core.settings.mapped import Mapped

Tier = Literal["critical", "high", "medium", "low"]
PipelineType = Literal["etl", "ml_training", "analytics", "data_quality", "reporting", "ad_hoc"]


class AirflowAuth(Section):
    """How to sign in to Airflow's REST API: one of password, token or command."""

    secrets: ClassVar[tuple[str, ...]] = ("password", "token")

    username: str = ""
    """User for a password token (`POST /auth/token`). Give it a role that may read, trigger, clear,
    pause and edit pools, but not read Connections and Variables."""

    password: SecretRef | None = None
    """That user's password."""

    token: SecretRef | None = None
    """A bearer token made elsewhere; the file is read again when Airflow refuses the token, so
    that another program may renew it."""

    command: tuple[str, ...] = ()
    """A command that prints a bearer token, as a list of words; run without a shell, again whenever
    Airflow refuses the token."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [bool(self.username or self.password), bool(self.token), bool(self.command)]
        if sum(ways) != 1:
            raise ValueError(
                "give exactly one of: username with password_file (or password_env), token_file (or"
                " token_env), command"
            )
        if bool(self.username) != bool(self.password):
            raise ValueError("username and password_file (or password_env) go together")
        return self


class AirflowApi(Section):
    """Airflow's REST API (`/api/v2`, Airflow 3)."""

    url: HttpUrl
    """Base address of the API server, without `/api/v2`."""

    auth: AirflowAuth
    """How to sign in."""

    ca_file: ConfigPath | None = None
    """Certificates to trust beside the system's, as PEM; for a private authority."""

    proxy: HttpUrl | None = None
    """HTTP proxy on the way to Airflow. None by default; the proxy variables of the environment are
    not used, so that what reaches Airflow is written in one place."""

    timeout: Duration = timedelta(seconds=5)
    """Deadline of one request. A healthy API server answers in well under a second; 5 s separates
    slow from gone."""

    measure_rate: float = Field(default=10.0, gt=0, le=1000)
    """Requests a second that measuring may take, where no metadata database is configured and all is
    read over REST. An API server process answers some ten to thirty pages a second."""


class MetadataDatabase(Section):
    """Airflow's metadata database, read-only. Without it only what REST can give is watched."""

    secrets: ClassVar[tuple[str, ...]] = ("dsn", "terminator_dsn", "pgbouncer_dsn")
    addresses: ClassVar[tuple[str, ...]] = ("dsn", "terminator_dsn", "pgbouncer_dsn")

    dsn: SecretRef
    """Connection string of the observing role: `pg_monitor` and SELECT on the tables that
    `airwarden doctor` lists, nothing more."""

    terminator_dsn: SecretRef | None = None
    """Connection string of a second role with `pg_signal_backend`, used for one thing: ending a
    session that holds the scheduler's lock or leaks connections. Without it such a session is
    only reported."""

    pgbouncer_dsn: SecretRef | None = None
    """Connection string of the console of the PgBouncer before it (database `pgbouncer`), by a role in
    its `stats_users`. None where there is no PgBouncer."""

    statement_timeout: Duration = timedelta(seconds=5)
    """A query of ours that takes longer is cancelled by the server: watching must never load
    what it watches."""

    connect_timeout: Duration = timedelta(seconds=5)
    """Deadline for opening a connection."""


class MariaDb(Section):
    """A MariaDB or MySQL server that the platform uses: its own state, nothing of what it stores.
    Airflow's metadata is read from PostgreSQL alone."""

    secrets: ClassVar[tuple[str, ...]] = ("dsn",)
    addresses: ClassVar[tuple[str, ...]] = ("dsn",)

    dsn: SecretRef
    """`mysql://USER:PASSWORD@HOST:3306`, by a role with PROCESS and REPLICA MONITOR (MySQL: REPLICATION
    CLIENT); with `?ssl_ca=PATH` where the server asks for TLS."""

    timeout: Duration = timedelta(seconds=3)
    """Deadline of a connection attempt, and of each answer."""


class RabbitManagement(Section):
    """RabbitMQ's management plugin: the only place where it tells what waits in a queue."""

    secrets: ClassVar[tuple[str, ...]] = ("password",)

    url: HttpUrl
    """Its address, for example `http://127.0.0.1:15672`."""

    username: str
    """A user with the tag `monitoring` and read permission on the virtual host."""

    password: SecretRef
    """That user's password."""

    virtual_host: str = "/"
    """Celery's virtual host."""


class Broker(Section):
    """The Celery broker: Redis, or RabbitMQ with its management plugin."""

    secrets: ClassVar[tuple[str, ...]] = ("url",)
    addresses: ClassVar[tuple[str, ...]] = ("url",)

    url: SecretRef
    """Its address, for example `redis://127.0.0.1:6379/0`, or `amqp://127.0.0.1:5672//` together with
    `management`; with a password by file or variable."""

    management: RabbitManagement | None = None
    """RabbitMQ's management plugin; for `amqp://` alone."""

    queues: tuple[str, ...] = ("default",)
    """Queues whose depth is measured. Airflow's own default queue is called `default`."""

    timeout: Duration = timedelta(seconds=2)
    """Deadline of one command."""


class Statsd(Server):
    """A StatsD listener, for what only Airflow itself can tell: the scheduler's loop, its critical
    section, orphans. Point Airflow's `[metrics] statsd_host` and `statsd_port` at it."""

    listen: ListenAddress = ListenAddress(host="127.0.0.1", port=8125)
    """Where it takes datagrams (UDP)."""

    prefix: str = "airflow"
    """What Airflow puts before every name (`[metrics] statsd_prefix`)."""

    forward: ListenAddress | None = None
    """Where every datagram is passed on to as it came, for a StatsD exporter that you already have."""


class Workers(Section):
    """The Celery workers: how many may run, and how they are asked."""

    inspect: bool = True
    """Whether workers are asked over Celery's remote control (ping, active tasks, queues). Needs the
    broker. Off where remote control is disabled."""

    inspect_timeout: Duration = timedelta(seconds=2)
    """How long to wait for answers; a worker that does not answer in time counts as down."""

    min: int = Field(default=1, ge=0)
    """Workers that are never stopped by a scale-down."""

    max: int = Field(default=1, ge=1)
    """Most workers that a scale-up may run; 1 means that none is ever added."""

    slots_per_worker: int = Field(default=16, ge=1)
    """Tasks that one worker runs at once (Celery's `worker_concurrency`; Airflow's default is 16);
    used only where the worker itself does not tell."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise wrong("min", f"{self.min} is more than max, {self.max}")
        return self


class Supervisord(Section):
    """supervisord's XML-RPC interface, by which processes are read and restarted."""

    secrets: ClassVar[tuple[str, ...]] = ("password",)

    url: str
    """`http://127.0.0.1:9001/RPC2`, or `unix:///run/supervisor.sock`."""

    username: str = ""
    """User of `[inet_http_server]`; empty where there is none."""

    password: SecretRef | None = None
    """That user's password."""

    timeout: Duration = timedelta(seconds=5)
    """Deadline of one call."""

    programs: dict[Component, tuple[str, ...]] = Field(default_factory=dict)
    """Component → supervisord's process names (`scheduler`, `workers:worker_0`); a name may hold `*`
    (`workers:*`). A process that is not listed is never touched."""

    celery_hostnames: dict[str, str] = Field(default_factory=dict)
    """Process name → Celery's node name (`worker@host`), for workers on other machines; on this one
    it is read off the process."""

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https", "unix") or not (parts.netloc or parts.path):
            raise ValueError("expected http://HOST:PORT/RPC2 or unix:///path/of/supervisor.sock")
        if parts.password is not None:
            raise ValueError("an address must not carry credentials: use username, password_file")
        return value

    @field_validator("programs")
    @classmethod
    def _no_name_twice(
        cls, programs: dict[Component, tuple[str, ...]]
    ) -> dict[Component, tuple[str, ...]]:
        seen: dict[str, Component] = {}
        for component, names in programs.items():
            for name in names:
                if name in seen:
                    raise ValueError(
                        f"{name} is listed under {seen[name].value} and {component.value}"
                    )
                seen[name] = component
        return programs


class Systemd(Section):
    """systemd on the remediator's own machine, by `systemctl`."""

    units: dict[Component, tuple[str, ...]] = Field(default_factory=dict)
    """Component → unit names with their suffix (`airflow-scheduler.service`); a name may hold `*`
    (`airflow-worker@*.service`). A unit that is not listed is never read or touched."""

    systemctl: tuple[str, ...] = Field(default=("systemctl",), min_length=1, max_length=5)
    """How it is called, as an argument vector: `[sudo, -n, systemctl]` where a rule of sudo's allows
    exactly that. No shell reads it."""

    timeout: Duration = timedelta(seconds=5)
    """Deadline of one call."""

    celery_hostnames: dict[str, str] = Field(default_factory=dict)
    """Unit → Celery's node name (`worker@host`), where the process does not tell."""

    @field_validator("units")
    @classmethod
    def _whole_names(
        cls, units: dict[Component, tuple[str, ...]]
    ) -> dict[Component, tuple[str, ...]]:
        for names in units.values():
            for name in names:
                if "." not in name or name.startswith("-") or not name.isprintable():
                    raise ValueError(
                        f"{name!r} is no unit: write for example airflow-worker.service"
                    )
        return units


class Kubernetes(Section):
    """A namespace in which the official Airflow chart runs. Its pods are found by the chart's labels."""

    namespace: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
    """Where Airflow runs. Nothing outside of it is read or touched."""

    release: str = Field(default="", pattern=r"^[A-Za-z0-9]?[-A-Za-z0-9_.]*$")
    """The Helm release, where the namespace holds several; all of them if empty."""

    kubeconfig: ConfigPath | None = None
    """How the cluster is reached. By default as the pod that we run in, by its ServiceAccount."""

    context: str = ""
    """Which of the kubeconfig's contexts; the current one if empty."""

    proxy: HttpUrl | None = None
    """HTTP proxy on the way; that of the kubeconfig, or none, by default."""

    timeout: Duration = timedelta(seconds=5)
    """Deadline of one request. The client's own retries are off."""

    celery_hostname: str = Field(default="celery@{pod}", pattern=r"^[^{}]*\{pod\}[^{}]*$")
    """Celery's node name of a worker, with `{pod}` for the pod's name."""

    @model_validator(mode="after")
    def _context_of_a_file(self) -> Self:
        if self.context and self.kubeconfig is None:
            raise wrong("context", "it names a context of a kubeconfig: give kubeconfig too")
        return self


class Host(Section):
    """What supervises Airflow's processes. Without it components are watched, never restarted."""

    supervisord: Supervisord | None = None
    """A supervisord that runs them."""

    systemd: Systemd | None = None
    """The systemd that runs them, instead."""

    kubernetes: Kubernetes | None = None
    """The Kubernetes that runs them, instead."""

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        given = [
            one for one in (self.supervisord, self.systemd, self.kubernetes) if one is not None
        ]
        if len(given) != 1:
            raise wrong(
                "supervisord", "one of supervisord, systemd and kubernetes supervises the processes"
            )
        return self


class MatchRule(Section):
    """Gives tier, team and type to the DAGs it matches, where their Airflow tags do not."""

    dags: str
    """Shell-style pattern over `dag_id` (`etl_*`). The first rule that matches and gives a value
    wins; a tag `tier:…`, `team:…` or `type:…` of the DAG itself wins over all rules."""

    tier: Tier | None = None
    """Priority class."""

    team: str | None = None
    """Owner; a key of `teams`."""

    type: PipelineType | None = None
    """Pipeline type."""


class Cluster(Section):
    """One Airflow platform."""

    name: str = Field(default="default", pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    """The `cluster` label of every metric and alert, and the first part of every journal key."""

    airflow: AirflowApi
    """Its REST API."""

    metadata_database: MetadataDatabase | None = None
    """Its metadata database; optional, and recommended: six of eleven common faults are invisible
    to Airflow's own health endpoint."""

    broker: Broker | None = None
    """Its Celery broker; leave out with other executors."""

    workers: Workers = Workers.default()
    """Its Celery workers."""

    host: Host | None = None
    """What supervises its processes."""

    mariadb: MariaDb | None = None
    """A MariaDB or MySQL server to measure; none by default."""

    statsd: Statsd | None = None
    """A listener for what Airflow reports over StatsD; none by default."""

    this_machine: bool = False
    """Whether the platform runs on the machine where the exporter runs, so that this machine's CPU
    and memory are the platform's."""

    parallelism: int | None = Field(default=None, ge=1)
    """Tasks that all schedulers together may run at once: Airflow's `core.parallelism` times the
    schedulers. Tells tasks that wait for it from tasks that nothing known holds back."""

    mapped: tuple[Mapped, ...] = ()
    """Metrics that are not collected, because your Prometheus has them already."""

    match: tuple[MatchRule, ...] = ()
    """Tier, team and type for DAGs that carry no tags."""
