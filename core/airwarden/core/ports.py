"""The ports: what the parts may ask of the outside world.

Every method that reaches another system carries its own deadline inside the adapter, and raises only
the errors of `airwarden.core.errors`: `UnavailableError` (read again later), `RejectedError` (do not
repeat), `ConflictError` (read first), and for effects `UnknownOutcomeError` (read back). Each port has
a real adapter and a fake in `airwarden.adapters`, and one contract suite in `tests/contract` for both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from airwarden.core.alerts import Alert
from airwarden.core.platform import (
    Acknowledgement,
    AssetUpdate,
    Backfill,
    BrokerState,
    ChatMessage,
    Component,
    Dag,
    DagRun,
    DatabaseSession,
    Delivered,
    Ended,
    HostProcess,
    Identity,
    Job,
    LogTail,
    MariaDbState,
    PagerEvent,
    Pool,
    PoolerPool,
    Sample,
    Silence,
    StatsdCounts,
    StatsdSample,
    TaskInstance,
    TaskKey,
    Worker,
)
from airwarden.core.reported import Reading


class Airflow(Protocol):
    """One cluster's REST API (`/api/v2`)."""

    def health(self) -> Mapping[str, str]:
        """Return component → `healthy`, `unhealthy` or absent, by its newest job (`/monitor/health`)."""
        ...

    def version(self) -> str:
        """Return Airflow's version, for example `3.3.2`."""
        ...

    def jobs(self) -> Sequence[Job]:
        """Return the job rows in state running, newest heartbeat first."""
        ...

    def dags(self, *, tags: Collection[str] = ()) -> Sequence[Dag]:
        """Return every DAG that carries any of `tags` (all DAGs when none is given)."""
        ...

    def dag(self, dag_id: str) -> Dag:
        """Return one DAG; raises NotFoundError."""
        ...

    def set_paused(self, dag_id: str, *, paused: bool) -> None:
        """Pause or unpause exactly one DAG (absolute, safe to repeat)."""
        ...

    def pools(self) -> Sequence[Pool]:
        """Return all pools with what the scheduler counts in them now."""
        ...

    def set_pool_slots(self, name: str, slots: int) -> None:
        """Set a pool's slots to an absolute number."""
        ...

    def task_instances(
        self,
        *,
        states: Collection[str] = (),
        pools: Collection[str] = (),
        dag_ids: Collection[str] = (),
        queues: Collection[str] = (),
        updated_after: datetime | None = None,
        started_after: datetime | None = None,
        limit: int = 1000,
    ) -> Sequence[TaskInstance]:
        """Return task instances matching every given filter, at most `limit`, and no one says which."""
        ...

    def task_instance(self, key: TaskKey) -> TaskInstance:
        """Return one task instance; raises NotFoundError."""
        ...

    def held_back(self, key: TaskKey) -> Sequence[str]:
        """Return why Airflow does not start a task instance, in its words; empty where nothing holds it."""
        ...

    def log_tail(self, key: TaskKey, try_number: int, *, most: int, keep: int) -> LogTail:
        """Return the last `keep` bytes of an attempt's log, read up to `most` bytes; or NotFoundError."""
        ...

    def clear(self, keys: Collection[TaskKey], *, note: str) -> Sequence[TaskInstance]:
        """Clear exactly these task instances of one DAG run; returns what was cleared.

        Does a dry run first and raises ConflictError, changing nothing, when Airflow would clear
        anything else, or when one of them is running.
        """
        ...

    def trigger(
        self, dag_id: str, *, run_id: str, conf: Mapping[str, Any], note: str = ""
    ) -> DagRun:
        """Start a run; the `run_id` is the idempotency key (a second call raises ConflictError)."""
        ...

    def dag_runs(
        self, dag_id: str = "~", *, states: Collection[str] = (), limit: int = 100
    ) -> Sequence[DagRun]:
        """Return runs of one DAG, or of all with `~`, newest first."""
        ...

    def backfills(self, dag_id: str) -> Sequence[Backfill]:
        """Return a DAG's backfills that are not over."""
        ...

    def set_backfill_paused(self, backfill_id: int, *, paused: bool) -> None:
        """Pause or unpause one backfill; raises ConflictError for one that is over."""
        ...


class MeasuredAirflow(Protocol):
    """One cluster's REST API as a source of metrics, where its metadata database cannot be read.

    Every method makes at most one request for each hundred of `most`, and no more requests a second than
    it was given. Selections are complete or an error: a number must not be wrong because it was large.
    """

    def dags_from(self, offset: int, most: int) -> tuple[Sequence[Dag], int]:
        """Return DAGs by `dag_id` from an offset on, stale ones included, and how many there are."""
        ...

    def open_runs(self, most: int) -> Sequence[DagRun]:
        """Return the queued and running runs; raises RejectedError when there are more than `most`."""
        ...

    def runs_ended_since(self, moment: datetime, most: int) -> Sequence[DagRun]:
        """Return the runs that ended at or after a moment, the earliest first, at most `most`."""
        ...

    def live_tasks(self, most: int) -> Sequence[TaskInstance]:
        """Return the task instances between scheduled and ended; RejectedError beyond `most`."""
        ...

    def tasks_since(self, moment: datetime, most: int, *, by: str) -> Sequence[TaskInstance]:
        """Return the task instances with a start or an end (`by`) at or after a moment, earliest first."""
        ...

    def tries(self, key: TaskKey) -> Sequence[TaskInstance]:
        """Return every attempt of a task instance, the present one included."""
        ...

    def import_errors(self) -> Mapping[str, int]:
        """Return bundle → DAG files that cannot be imported; raises RejectedError beyond 10,000."""
        ...

    def dag_warnings(self) -> Mapping[str, int]:
        """Return kind of warning → DAGs; raises RejectedError beyond 10,000."""
        ...

    def asset_updates(self, names: Collection[str]) -> Sequence[AssetUpdate]:
        """Return those of these assets (by name or URI) that exist; one request for each name."""
        ...

    def last_success(self, dag_id: str) -> datetime | None:
        """Return when a DAG last ended a run well."""
        ...


class MetadataDatabase(Protocol):
    """Airflow's metadata database, read with an observing role over a kept connection."""

    def rows(self, query: str, **parameters: object) -> Sequence[Mapping[str, Any]]:
        """Run the named query (a `.sql` file's name without ending) and return its rows."""
        ...

    def probe(self) -> float:
        """Return the seconds that `SELECT 1` took; raises UnavailableError."""
        ...

    def sessions(self) -> Sequence[DatabaseSession]:
        """Return the client sessions of this database, ours excluded."""
        ...


class SessionEnder(Protocol):
    """The one act in the database, by a second role that is used for nothing else."""

    def end(self, session: DatabaseSession) -> bool:
        """End a session by compare-and-set on pid, backend_start, xact_start and state.

        Returns:
            True if it was ended, False if it no longer was the session that was seen.
        """
        ...


class Broker(Protocol):
    """The Celery broker."""

    def ping(self) -> float:
        """Return seconds to a PING's answer; raises UnavailableError."""
        ...

    def queue_depths(self, queues: Collection[str]) -> Mapping[tuple[str, int], int]:
        """Return (queue, priority) → waiting messages, 0 for an absent queue."""
        ...


class MeasuredBroker(Broker, Protocol):
    """A broker that also tells of itself."""

    @property
    def kind(self) -> str:
        """`redis` or `rabbitmq`."""
        ...

    def delivered(self) -> Mapping[str, Delivered]:
        """Return queue → messages delivered and not acknowledged.

        Redis keeps them together: there the only key is `_all`.
        """
        ...

    def state(self) -> BrokerState:
        """Return memory, clients and losses."""
        ...


class Workers(Protocol):
    """Celery's remote control. Relative pool changes are not offered: they are not idempotent."""

    def workers(self) -> Sequence[Worker]:
        """Return the workers that answer within the deadline."""
        ...

    def cancel_consumers(self, hostname: str, queues: Collection[str]) -> None:
        """Stop one worker from taking tasks of these queues."""
        ...

    def add_consumers(self, hostname: str, queues: Collection[str]) -> None:
        """Let one worker take tasks of these queues."""
        ...

    def shut_down(self, hostname: str) -> None:
        """Tell one worker to end when its tasks are done; returns when it was told, not when it ended."""
        ...


class Host(Protocol):
    """The supervisor of the platform's processes (supervisord, systemd, Kubernetes)."""

    def processes(self, component: Component | None = None) -> Sequence[HostProcess]:
        """Return the supervised Airflow processes, stopped ones included."""
        ...

    def restart(self, name: str, *, generation: str) -> None:
        """Replace this incarnation by a new one; raises ConflictError if it is another already."""
        ...

    def start(self, name: str) -> None:
        """Start a stopped process; a running one stays as it is."""
        ...

    def stop(self, name: str) -> None:
        """Stop a process and keep it stopped; a stopped one stays as it is."""
        ...


class Pooler(Protocol):
    """A connection pooler before the metadata database (PgBouncer)."""

    def pools(self) -> Sequence[PoolerPool]:
        """Return its pools, its own console left out."""
        ...


class MariaDb(Protocol):
    """A MariaDB or MySQL server: its own state, nothing of what is stored in it."""

    def state(self) -> MariaDbState:
        """Return connections, transactions, locks and counters."""
        ...


class Statsd(Protocol):
    """What Airflow's processes report over StatsD."""

    def drain(self) -> Sequence[StatsdSample]:
        """Take what came since the time before; raises UnavailableError if nothing can come."""
        ...

    def counts(self) -> StatsdCounts:
        """Return how much came, and what was lost of it."""
        ...


class EventMemory(Protocol):
    """What of reported events outlives the exporter: which came already, and the last values."""

    def known(self, ids: Collection[str]) -> Collection[str]:
        """Return those of these event ids that were kept before."""
        ...

    def keep(self, ids: Collection[str], readings: Mapping[str, Sequence[Reading]]) -> None:
        """Keep ids, and cluster → readings, in one step: all or nothing.

        A reading replaces the one before of the same series. Old ids are forgotten.
        """
        ...

    def readings(self, cluster: str) -> Sequence[Reading]:
        """Return the last readings of a cluster."""
        ...


class StatedSql(Protocol):
    """A database that an operator's own statements are asked of, read-only."""

    def rows(self, statement: str, *, limit: int) -> Sequence[Mapping[str, Any]]:
        """Run one SELECT and return at most `limit` of its rows.

        Raises:
            UnavailableError: No connection, or no answer in time.
            RejectedError: It refuses the login or the statement.
        """
        ...


class Prometheus(Protocol):
    """Instant queries."""

    def query(self, expression: str) -> Sequence[Sample]:
        """Return the instant vector; an empty one is a valid answer and proves nothing healthy."""
        ...


class Alertmanager(Protocol):
    """What Alertmanager knows now."""

    def alerts(self) -> Sequence[Alert]:
        """Return all active alerts, the suppressed ones with `suppressed_by` set."""
        ...

    def silences(self) -> Sequence[Silence]:
        """Return silences that are active or pending."""
        ...

    def add_silence(self, silence: Silence, *, by: str) -> str:
        """Make a silence and return its id; that of `silence` is not looked at.

        Raises:
            UnavailableError: Not made, as far as is known: a second one does no harm.
            RejectedError: It refuses.
        """
        ...


class Pager(Protocol):
    """PagerDuty Events v2, or what stands in for it."""

    def send(self, event: PagerEvent) -> None:
        """Deliver an event; repeating one with the same dedup_key is safe."""
        ...


class Chat(Protocol):
    """Slack, or what stands in for it."""

    def post(self, message: ChatMessage) -> str:
        """Post a message and return the reference by which it can be updated."""
        ...

    def update(self, reference: str, message: ChatMessage) -> None:
        """Replace the message's content."""
        ...

    def reply(self, reference: str, text: str) -> None:
        """Add a line to the message's thread; nothing where messages have none."""
        ...


class Commands(Protocol):
    """Programs on the remediator's own machine."""

    def run(self, argv: Sequence[str], *, within: float) -> Ended:
        """Run a program to its end, without a shell.

        Raises:
            RejectedError: It cannot be run at all.
            UnknownOutcomeError: It had not ended `within` seconds, and was killed.
        """
        ...


class Webhooks(Protocol):
    """Systems of a site's own that are told something, by their names in the settings."""

    def call(self, name: str, body: Mapping[str, Any], *, key: str) -> int:
        """Send a body with an idempotency key; returns the status, 200 to 299."""
        ...


class Whispers(Protocol):
    """A chat in which one person can be told something that nobody else sees."""

    def whisper(self, channel: str, person: str, text: str) -> None:
        """Tell a person of a channel, both by their ids there."""
        ...


class ChatSocket(Protocol):
    """A standing connection by which a chat tells what was pressed, where it cannot reach us."""

    def open(self, handle: Callable[[Mapping[str, Any]], None]) -> None:
        """Begin to connect, and to hand each payload on; returns at once, and connects again when cut."""
        ...

    def close(self) -> None:
        """Hang up for good."""
        ...


class Pages(Protocol):
    """What became of pages, as PagerDuty's REST API tells it."""

    def acknowledgements(self, dedup_key: str) -> Sequence[Acknowledgement]:
        """Return who acknowledged the open page of this key, oldest first."""
        ...

    def keys(self, page_id: str) -> Sequence[str]:
        """Return the deduplication keys that stand behind an incident there."""
        ...


class IdentityProvider(Protocol):
    """An OpenID Connect provider at which people sign in."""

    def begin(self, *, redirect: str, state: str, nonce: str, verifier: str) -> str:
        """Return the provider's address to send a person to.

        Args:
            redirect: Where it sends them back to.
            state: Comes back with them.
            nonce: Stands in what it then says of them.
            verifier: PKCE: only who knows it gets an answer for the code.
        """

    def finish(self, code: str, *, redirect: str, nonce: str, verifier: str) -> Identity:
        """Return whom a code that came back stands for.

        Raises:
            RejectedError: It stands for nobody, or what the provider says does not hold.
        """
        ...


class Probe(Protocol):
    """Whether an external dependency answers."""

    def check(self) -> bool:
        """Return True if it answers as declared; never raises."""
        ...


class Lease(Protocol):
    """One process's claim to something that one of several may do, kept where all of them look."""

    @property
    def claimed(self) -> bool:
        """Whether it was ours when the place where it is kept last answered; it may have run out since."""
        ...

    def step(self) -> float:
        """Take or renew it; return the seconds after which to call again. Never raises."""
        ...

    def remaining(self) -> float:
        """Return the seconds for which it is surely ours, by a clock that counts suspension; else 0."""
        ...

    def stop(self) -> None:
        """Let go of it."""
        ...
