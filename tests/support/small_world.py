"""A platform in memory for unit tests of actions and checks: plain values that a test may change."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from airwarden.core.errors import (
    AirwardenError,
    ConflictError,
    NotFoundError,
    RejectedError,
)
from airwarden.core.platform import (
    Backfill,
    Component,
    Dag,
    DagRun,
    DatabaseSession,
    HostProcess,
    Job,
    LogTail,
    Pool,
    ProcessState,
    TaskInstance,
    TaskKey,
    Worker,
)
from airwarden.remediation.world import (
    Begun,
    BreakerRecord,
    BreakerState,
    Subject,
    WorkerFleet,
    World,
)

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    """Return the time so many seconds before the world's noon."""
    return NOON - timedelta(seconds=seconds)


@dataclass
class StillClock:
    """A clock that moves only when told, or waited on."""

    time: datetime = NOON

    def now(self) -> datetime:
        return self.time

    def elapsed(self) -> float:
        return self.time.timestamp()

    def wait(self, seconds: float) -> bool:
        self.time += timedelta(seconds=seconds)
        return False


@dataclass
class SmallHost:
    """Supervised processes; a restart gives the next pid and the clock's time."""

    clock: StillClock
    known: list[HostProcess] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    error: AirwardenError | None = None

    def processes(self, component: Component | None = None) -> Sequence[HostProcess]:
        if self.error:
            raise self.error
        return [p for p in self.known if component in (None, p.component)]

    def put(self, process: HostProcess) -> None:
        self.known = [process if p.name == process.name else p for p in self.known]

    def get(self, name: str) -> HostProcess:
        return next(p for p in self.known if p.name == name)

    def _renew(self, name: str) -> None:
        old = self.get(name)
        self.put(
            replace(
                old,
                state=ProcessState.RUNNING,
                pid=(old.pid or 1000) + 1,
                started_at=self.clock.now(),
            )
        )

    def restart(self, name: str, *, generation: str) -> None:
        if self.get(name).generation != generation:
            raise ConflictError(f"{name} is another incarnation")
        self.calls.append(("restart", name))
        self._renew(name)

    def start(self, name: str) -> None:
        self.calls.append(("start", name))
        if self.get(name).state is not ProcessState.RUNNING:
            self._renew(name)

    def stop(self, name: str) -> None:
        self.calls.append(("stop", name))
        self.put(replace(self.get(name), state=ProcessState.STOPPED, pid=None))


@dataclass
class SmallAirflow:
    """Job rows, pools, DAGs and task instances."""

    job_rows: list[Job] = field(default_factory=list)
    dag_rows: list[Dag] = field(default_factory=list)
    pool_rows: list[Pool] = field(default_factory=list)
    tasks: list[TaskInstance] = field(default_factory=list)
    runs: list[DagRun] = field(default_factory=list)
    backfill_rows: list[Backfill] = field(default_factory=list)
    reasons: dict[TaskKey, list[str]] = field(default_factory=dict)
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    error: AirwardenError | None = None

    def _answer(self) -> None:
        if self.error:
            raise self.error

    def health(self) -> Mapping[str, str]:
        self._answer()
        return {"metadatabase": "healthy"}

    def version(self) -> str:
        self._answer()
        return "3.3.2"

    def jobs(self) -> Sequence[Job]:
        self._answer()
        return list(self.job_rows)

    def dags(self, *, tags: Collection[str] = ()) -> Sequence[Dag]:
        self._answer()
        return [d for d in self.dag_rows if not tags or set(tags) & set(d.tags)]

    def dag(self, dag_id: str) -> Dag:
        self._answer()
        for dag in self.dag_rows:
            if dag.dag_id == dag_id:
                return dag
        raise NotFoundError(dag_id)

    def set_paused(self, dag_id: str, *, paused: bool) -> None:
        self.calls.append(("set_paused", dag_id, paused))
        self.dag_rows = [
            replace(d, is_paused=paused) if d.dag_id == dag_id else d for d in self.dag_rows
        ]

    def pools(self) -> Sequence[Pool]:
        self._answer()
        return list(self.pool_rows)

    def set_pool_slots(self, name: str, slots: int) -> None:
        self.calls.append(("set_pool_slots", name, slots))
        self.pool_rows = [replace(p, slots=slots) if p.name == name else p for p in self.pool_rows]

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
        self._answer()
        return [
            t
            for t in self.tasks
            if (not states or t.state in states)
            and (not pools or t.pool in pools)
            and (not dag_ids or t.key.dag_id in dag_ids)
            and (not queues or t.queue in queues)
            and (
                started_after is None
                or (t.start_date is not None and t.start_date >= started_after)
            )
        ][:limit]

    def task_instance(self, key: TaskKey) -> TaskInstance:
        self._answer()
        for task in self.tasks:
            if task.key == key:
                return task
        raise NotFoundError(str(key))

    def held_back(self, key: TaskKey) -> Sequence[str]:
        self._answer()
        return self.reasons.get(key, [])

    def log_tail(self, key: TaskKey, try_number: int, *, most: int, keep: int) -> LogTail:
        self._answer()
        raise NotFoundError(f"no attempt {try_number} of {key}")

    def clear(self, keys: Collection[TaskKey], *, note: str) -> Sequence[TaskInstance]:
        self.calls.append(("clear", tuple(sorted(keys)), note))
        cleared = []
        for i, task in enumerate(self.tasks):
            if task.key in keys:
                self.tasks[i] = replace(
                    task, id=task.id + "'", state=None, max_tries=task.try_number + 1
                )
                cleared.append(self.tasks[i])
        return cleared

    def trigger(
        self, dag_id: str, *, run_id: str, conf: Mapping[str, Any], note: str = ""
    ) -> DagRun:
        self.calls.append(("trigger", dag_id, run_id))
        if any(r.run_id == run_id and r.dag_id == dag_id for r in self.runs):
            raise ConflictError(run_id)
        self.runs.append(DagRun(dag_id, run_id, "queued", "manual"))
        return self.runs[-1]

    def dag_runs(
        self, dag_id: str = "~", *, states: Collection[str] = (), limit: int = 100
    ) -> Sequence[DagRun]:
        self._answer()
        return [
            r for r in self.runs if dag_id in ("~", r.dag_id) and (not states or r.state in states)
        ][:limit]

    def backfills(self, dag_id: str) -> Sequence[Backfill]:
        self._answer()
        return [b for b in self.backfill_rows if b.dag_id == dag_id]

    def set_backfill_paused(self, backfill_id: int, *, paused: bool) -> None:
        self.calls.append(("set_backfill_paused", backfill_id, paused))
        self.backfill_rows = [
            replace(b, is_paused=paused) if b.id == backfill_id else b for b in self.backfill_rows
        ]


@dataclass
class SmallDatabase:
    """A metadata database with a pace and sessions; ends sessions by compare-and-set as well."""

    seconds: float = 0.002
    open_sessions: list[DatabaseSession] = field(default_factory=list)
    answers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    error: AirwardenError | None = None
    ended: list[int] = field(default_factory=list)

    def probe(self) -> float:
        if self.error:
            raise self.error
        return self.seconds

    def sessions(self) -> Sequence[DatabaseSession]:
        if self.error:
            raise self.error
        return list(self.open_sessions)

    def rows(self, query: str, **parameters: object) -> Sequence[Mapping[str, Any]]:
        if self.error:
            raise self.error
        if query == "platform" and query not in self.answers:
            return [{"schema_revision": "d2f4e1b3c5a7", "now": None}]
        if query not in self.answers:
            raise RejectedError(f"no answer is set for query {query}")
        return self.answers[query]

    def end(self, session: DatabaseSession) -> bool:
        for known in self.open_sessions:
            same = (known.pid, known.backend_start, known.xact_start, known.state) == (
                session.pid,
                session.backend_start,
                session.xact_start,
                session.state,
            )
            if same:
                self.open_sessions.remove(known)
                self.ended.append(known.pid)
                return True
        return False


@dataclass
class SmallWorkers:
    """Celery workers that answer."""

    known: list[Worker] = field(default_factory=list)
    calls: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)
    error: AirwardenError | None = None

    def workers(self) -> Sequence[Worker]:
        if self.error:
            raise self.error
        return list(self.known)

    def _set(self, hostname: str, queues: tuple[str, ...]) -> None:
        self.known = [
            replace(w, queues=queues) if w.hostname == hostname else w for w in self.known
        ]

    def cancel_consumers(self, hostname: str, queues: Collection[str]) -> None:
        self.calls.append(("cancel", hostname, tuple(queues)))
        for worker in self.known:
            if worker.hostname == hostname:
                self._set(hostname, tuple(q for q in worker.queues if q not in queues))

    def add_consumers(self, hostname: str, queues: Collection[str]) -> None:
        self.calls.append(("add", hostname, tuple(queues)))
        self._set(hostname, tuple(queues))

    def shut_down(self, hostname: str) -> None:
        self.calls.append(("shut_down", hostname, ()))
        self.known = [w for w in self.known if w.hostname != hostname]


@dataclass
class SmallBroker:
    """A broker with depths by queue."""

    depths: dict[str, int] = field(default_factory=dict)
    error: AirwardenError | None = None

    def ping(self) -> float:
        if self.error:
            raise self.error
        return 0.001

    def queue_depths(self, queues: Collection[str]) -> Mapping[tuple[str, int], int]:
        if self.error:
            raise self.error
        return {(q, 0): self.depths.get(q, 0) for q in queues}


@dataclass
class SmallProbe:
    """A dependency that answers or not."""

    up: bool = True

    def check(self) -> bool:
        return self.up


@dataclass
class SmallBreakers:
    """Breaker rows with the journal's compare-and-set."""

    clock: StillClock
    rows: dict[str, BreakerRecord] = field(default_factory=dict)
    writes: int = 0
    reads: int = 0
    error: AirwardenError | None = None

    def load(self, name: str) -> BreakerRecord:
        if self.error:
            raise self.error
        self.reads += 1
        row = self.rows.get(name, BreakerRecord(name))
        age = (self.clock.now() - row.opened_at).total_seconds() if row.opened_at else None
        return replace(row, opened_age=age)

    def change(
        self,
        seen: BreakerRecord,
        *,
        state: BreakerState,
        failures: int = 0,
        successes: int = 0,
        reopened: bool = False,
    ) -> bool:
        if self.error:
            raise self.error
        now = self.rows.get(seen.name, BreakerRecord(seen.name))
        if now.rev != seen.rev:
            return False
        self.writes += 1
        self.rows[seen.name] = BreakerRecord(
            seen.name,
            state=state,
            opened_at=self.clock.now() if reopened else now.opened_at,
            failures=failures,
            successes=successes,
            rev=now.rev + 1,
        )
        return True


@dataclass
class SmallLedger:
    """What was done before: how often by (action, target), and what by action."""

    done: dict[tuple[str, str], int] = field(default_factory=dict)
    effects: dict[str, list[Begun]] = field(default_factory=dict)

    def count(self, action: str, target: str, *, within: float) -> int:
        return self.done.get((action, target), 0)

    def begun(self, cluster: str, actions: Collection[str], *, within: float) -> list[Begun]:
        every = [one for action in actions for one in self.effects.get(action, [])]
        return [one for one in every if one.ago < within]


@dataclass
class Small:
    """All fakes of one cluster, and the `World` made of them."""

    clock: StillClock = field(default_factory=StillClock)
    airflow: SmallAirflow = field(default_factory=SmallAirflow)
    database: SmallDatabase = field(default_factory=SmallDatabase)
    workers: SmallWorkers = field(default_factory=SmallWorkers)
    broker: SmallBroker = field(default_factory=SmallBroker)
    ledger: SmallLedger = field(default_factory=SmallLedger)
    fleet: WorkerFleet = field(default_factory=WorkerFleet)
    host: SmallHost = field(init=False)
    breakers: SmallBreakers = field(init=False)

    def __post_init__(self) -> None:
        self.host = SmallHost(self.clock)
        self.breakers = SmallBreakers(self.clock)

    def world(self, **changes: Any) -> World:
        """Return the world, with ports replaced or taken away (None)."""
        ports: dict[str, Any] = {
            "airflow": self.airflow,
            "database": self.database,
            "session_ender": self.database,
            "broker": self.broker,
            "workers": self.workers,
            "host": self.host,
            "fleet": self.fleet,
            "breakers": self.breakers,
            "ledger": self.ledger,
        }
        return World("prod", self.clock, **{**ports, **changes})


def process(
    name: str,
    component: Component = Component.SCHEDULER,
    state: ProcessState = ProcessState.RUNNING,
    *,
    pid: int | None = 100,
    started: float = 3600,
    celery: str = "",
) -> HostProcess:
    """Return a process that started so many seconds before noon."""
    return HostProcess(name, component, state, pid, ago(started), celery)


def job(
    id_: int,
    component: Component = Component.SCHEDULER,
    *,
    started: float = 3595,
    beat: float = 3,
    hostname: str = "box",
) -> Job:
    """Return a job row in state running whose last heartbeat was so many seconds before noon."""
    return Job(id_, component, hostname, "running", ago(started), ago(beat))


def subject(labels: Mapping[str, str] | None = None, *, began: float = 60) -> Subject:
    """Return what an incident is about, begun so many seconds before noon."""
    return Subject("inc-1", "playbook", {"cluster": "prod", **(labels or {})}, ago(began))
