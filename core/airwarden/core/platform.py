"""What the platform's systems say about themselves: frozen values returned by the ports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from airwarden.core.components import Component as Component


@dataclass(frozen=True, slots=True)
class Job:
    """One row of Airflow's `job` table: a scheduler, triggerer or dag-processor that reported.

    A process killed with SIGKILL leaves its row in state `running`: only the age of
    `latest_heartbeat` tells.
    """

    id: int
    component: Component
    hostname: str
    state: str
    started_at: datetime | None
    latest_heartbeat: datetime | None


@dataclass(frozen=True, slots=True)
class Dag:
    """A DAG as the REST API shows it."""

    dag_id: str
    is_paused: bool
    tags: tuple[str, ...] = ()
    is_stale: bool = False
    has_import_errors: bool = False


@dataclass(frozen=True, slots=True)
class AssetUpdate:
    """When an asset was last updated (or first seen, if never), and the DAGs that make it."""

    name: str
    uri: str
    updated: datetime
    makers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool. `slots` is -1 for unlimited; the others are what the scheduler counts now."""

    name: str
    slots: int
    running: int = 0
    queued: int = 0
    scheduled: int = 0
    deferred: int = 0
    open: int = 0
    include_deferred: bool = False


@dataclass(frozen=True, slots=True, order=True)
class TaskKey:
    """What names a task instance for ever; its `id` changes with every clear and retry."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1


@dataclass(frozen=True, slots=True)
class TaskInstance:
    """One task instance at one moment. Times are UTC; `state` is None before scheduling."""

    key: TaskKey
    id: str
    state: str | None
    try_number: int
    max_tries: int
    pool: str = "default_pool"
    queue: str = "default"
    hostname: str = ""
    start_date: datetime | None = None
    end_date: datetime | None = None
    queued_when: datetime | None = None
    scheduled_when: datetime | None = None
    pool_slots: int = 1
    operator: str = ""
    #: The class of the trigger that it is deferred to, and the host of the triggerer that has it.
    trigger: str = ""
    triggerer: str = ""
    deferred_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class LogTail:
    """The end of a task attempt's log.

    Attributes:
        text: Its last bytes as Airflow gives them: JSON lines or text; the first line may be cut.
        size: Bytes that were read.
        whole: Whether the log was read to its end; if not, `text` is not its end.
    """

    text: bytes
    size: int
    whole: bool


@dataclass(frozen=True, slots=True)
class DagRun:
    """One DAG run."""

    dag_id: str
    run_id: str
    state: str
    run_type: str = ""
    start_date: datetime | None = None
    end_date: datetime | None = None
    run_after: datetime | None = None
    queued_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Backfill:
    """A backfill that is not over."""

    id: int
    dag_id: str
    is_paused: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: its exit code, negative for a signal, and the end of what it wrote."""

    code: int
    output: str = ""


class ProcessState(StrEnum):
    """What a host says about a process it supervises."""

    RUNNING = "running"
    #: Alive but not scheduled by the kernel (SIGSTOP): it will do nothing until SIGCONT.
    FROZEN = "frozen"
    STARTING = "starting"
    #: Asked to stop and not ended yet: a worker may finish its tasks for minutes.
    STOPPING = "stopping"
    STOPPED = "stopped"
    EXITED = "exited"
    #: The supervisor gave up restarting it.
    FATAL = "fatal"
    UNKNOWN = "unknown"

    @property
    def proved_dead(self) -> bool:
        """True where the host itself says that the process does not and will not work."""
        return self in (ProcessState.FROZEN, ProcessState.EXITED, ProcessState.FATAL)


@dataclass(frozen=True, slots=True)
class HostProcess:
    """A supervised process.

    Attributes:
        name: The supervisor's name for it (`scheduler`, `workers:worker_2`).
        component: What it is for Airflow.
        state: See `ProcessState`.
        pid: Operating system's process id, None when not running.
        started_at: When this incarnation started (UTC); with `pid` it is the generation.
        celery_hostname: For a worker, the name it has in Celery (`worker_0@host`), if known.
        incarnation: What tells this incarnation from the next, where it is no process id.
        unit: What stays when the process is replaced by one of another name; empty where the name
            itself stays.
        detail: Why it is in this state, in the supervisor's words, if it says.
    """

    name: str
    component: Component
    state: ProcessState
    pid: int | None = None
    started_at: datetime | None = None
    celery_hostname: str = ""
    incarnation: str = ""
    unit: str = ""
    detail: str = ""

    @property
    def generation(self) -> str:
        """Changes whenever the process is replaced by a new incarnation."""
        since = self.started_at.isoformat() if self.started_at else ""
        return self.incarnation or f"{self.pid}@{since}"


@dataclass(frozen=True, slots=True)
class Worker:
    """A Celery worker as it answers to inspect.

    Attributes:
        hostname: Celery's node name.
        queues: The queues it consumes from now; empty for one that answers and takes nothing.
        active: Tasks it executes now.
        reserved: Tasks it has taken and not begun.
        concurrency: Its slots.
        pid: Its main process on its own machine, by which one incarnation is told from the next.
    """

    hostname: str
    queues: tuple[str, ...]
    active: int
    reserved: int
    concurrency: int
    pid: int = 0


@dataclass(frozen=True, slots=True)
class Delivered:
    """Messages that were delivered and are not acknowledged: taken by a worker, or in its hands.

    Attributes:
        messages: How many.
        oldest: Seconds since the first of them was delivered; None where the broker does not tell.
    """

    messages: int
    oldest: float | None = None


@dataclass(frozen=True, slots=True)
class BrokerState:
    """What a broker says of itself; None where its kind does not tell.

    Attributes:
        memory_used, memory_max: Bytes; the maximum is 0 where there is none.
        clients: Connections.
        rejected: Connections refused for want of room, since the broker started.
        evicted: Keys thrown away for want of memory, since the broker started.
    """

    memory_used: int | None = None
    memory_max: int | None = None
    clients: int | None = None
    rejected: int | None = None
    evicted: int | None = None


@dataclass(frozen=True, slots=True)
class MariaDbState:
    """What a MariaDB or MySQL server says of itself; counters since it started.

    Attributes:
        connected, running: Sessions, and those of them that execute something.
        connections_max: Sessions that it admits.
        oldest_transaction: Seconds; 0 without one.
        lock_waits: Row locks that are waited for now.
        queries, slow_queries, aborted, deadlocks: Counters.
        pages_asked, pages_read: Pages asked of the buffer pool, and read from disk for it.
        replication_lag: Seconds; None where it is no replica, or replication stands still.
        replicating: Whether both threads of a replica run; None where it is none.
    """

    connected: int
    running: int
    connections_max: int
    oldest_transaction: float
    lock_waits: int
    queries: int
    slow_queries: int
    aborted: int
    deadlocks: int
    pages_asked: int
    pages_read: int
    replication_lag: float | None = None
    replicating: bool | None = None


@dataclass(frozen=True, slots=True)
class StatsdSample:
    """One line that a process reported over StatsD.

    Attributes:
        name: Without the prefix.
        kind: `counter`, `gauge` or `timer` (milliseconds).
        value: As it was sent.
        rate: Share of such events that is reported, over 0 up to 1.
        sender: Address it came from.
        relative: For a gauge: the value is to be added.
    """

    name: str
    kind: str
    value: float
    rate: float = 1.0
    sender: str = ""
    relative: bool = False


@dataclass(frozen=True, slots=True)
class StatsdCounts:
    """What a StatsD listener has counted.

    Attributes:
        datagrams: Taken from the socket.
        malformed: Lines of a wanted name that could not be read.
        dropped: Samples for which there was no room.
        forwarded: Datagrams passed on.
    """

    datagrams: int = 0
    malformed: int = 0
    dropped: int = 0
    forwarded: int = 0


@dataclass(frozen=True, slots=True)
class PoolerPool:
    """One pool of a connection pooler: a database and a role.

    Attributes:
        name: `database/role`.
        clients_active, clients_waiting: Clients with a server connection, and without one.
        longest_wait: Seconds that the first waiting client has waited.
        servers: State → server connections.
    """

    name: str
    clients_active: int
    clients_waiting: int
    longest_wait: float
    servers: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class DatabaseSession:
    """One PostgreSQL session, with what makes ending it safe against a reused pid.

    Attributes:
        pid: Backend process id.
        backend_start: When the session began; with `xact_start` and `state` the compare-and-set.
        xact_start: When its transaction began.
        state: PostgreSQL's (`active`, `idle in transaction`, ...).
        state_age: Seconds in that state.
        application: Its `application_name`.
        user: Role.
        client: Address and port.
        query: Its last statement, shortened to 200 characters.
        holds_scheduler_lock: It holds the advisory lock or `slot_pool` rows that scheduling needs.
        blocks: Pids of sessions that wait for it.
    """

    pid: int
    backend_start: datetime
    xact_start: datetime | None
    state: str
    state_age: float
    application: str
    user: str
    client: str = ""
    query: str = ""
    holds_scheduler_lock: bool = False
    blocks: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of an instant query. `value` may be NaN."""

    labels: Mapping[str, str]
    value: float
    timestamp: float


@dataclass(frozen=True, slots=True)
class Silence:
    """An active or pending Alertmanager silence; matchers are (name, value, is_regex, is_equal)."""

    id: str
    matchers: tuple[tuple[str, str, bool, bool], ...]
    starts_at: datetime
    ends_at: datetime
    comment: str = ""


@dataclass(frozen=True, slots=True)
class PagerEvent:
    """A PagerDuty Events v2 event.

    Attributes:
        action: `trigger`, `acknowledge` or `resolve`.
        dedup_key: The incident's, so that sending again is safe.
        routing_key: Which service; never printed.
        summary, source, severity: Required for a trigger; severity is one of PagerDuty's four.
        details: Custom details shown to the human.
        links: Where to look further: what it is called → address.
        client_url: The incident's own page, or empty.
    """

    action: str
    dedup_key: str
    routing_key: str = field(repr=False)
    summary: str = ""
    source: str = "airwarden"
    severity: str = "critical"
    component: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    client_url: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is, as an identity provider says.

    Attributes:
        name: As the audit calls them.
        groups: What they belong to there.
    """

    name: str
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Somebody said of a page that they have it.

    Attributes:
        dedup_key: The page's deduplication key.
        who: Their name there.
        at: When.
        person: Whether it was a person, and no integration: what we acknowledge ourselves is none.
        system: Where.
    """

    dedup_key: str
    who: str
    at: datetime
    person: bool
    system: str = "PagerDuty"


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One chat message: its plain text, and Block Kit blocks for those who can show them."""

    channel: str
    text: str
    blocks: tuple[Mapping[str, object], ...] = ()
