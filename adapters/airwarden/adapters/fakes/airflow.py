"""An Airflow REST API in memory, with the rules of the real one that remedies rely on."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from airwarden.adapters.fakes.faults import Faults
from airwarden.core.clock import Clock
from airwarden.core.errors import ConflictError, NotFoundError, RejectedError
from airwarden.core.platform import (
    Backfill,
    Component,
    Dag,
    DagRun,
    Job,
    LogTail,
    Pool,
    TaskInstance,
    TaskKey,
)


class FakeAirflow(Faults):
    """Jobs, DAGs, pools, runs and task instances that a test puts in.

    Args:
        clock: Gives start times.

    Attributes:
        airflow_version: What it says of itself.
        notes: What was written as a note, by task key or (dag_id, run_id).
        confs: The `conf` of triggered runs, by (dag_id, run_id).
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._job_ids = itertools.count(1)
        self._jobs: dict[int, Job] = {}
        self._dags: dict[str, Dag] = {}
        self._pools: dict[str, Pool] = {}
        self._runs: dict[tuple[str, str], DagRun] = {}
        self._instances: dict[TaskKey, TaskInstance] = {}
        self._updated: dict[TaskKey, datetime] = {}
        self._backfills: dict[int, Backfill] = {}
        self._over: set[int] = set()
        self._health: dict[str, str] = dict.fromkeys(
            ("metadatabase", "scheduler", "triggerer", "dag_processor"), "healthy"
        )
        self.airflow_version = "3.3.2"
        self.notes: dict[object, str] = {}
        self.confs: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._logs: dict[tuple[TaskKey, int], bytes] = {}
        self.put_pool(Pool("default_pool", 128))

    # What a test arranges.

    def put_job(self, component: Component, hostname: str, *, state: str = "running") -> Job:
        """Add a job row that beats now."""
        now = self._clock.now()
        job = Job(next(self._job_ids), component, hostname, state, now, now)
        self._jobs[job.id] = job
        return job

    def beat(self, job_id: int) -> None:
        """Let a job beat now."""
        self._jobs[job_id] = replace(self._jobs[job_id], latest_heartbeat=self._clock.now())

    def put_health(self, component: str, status: str) -> None:
        """Set what `/monitor/health` says."""
        self._health[component] = status

    def put_dag(self, dag: Dag) -> None:
        """Add or replace a DAG."""
        self._dags[dag.dag_id] = dag

    def put_pool(self, pool: Pool) -> None:
        """Add or replace a pool; running, queued, scheduled and deferred are counted here."""
        self._pools[pool.name] = pool

    def put_task(
        self, key: TaskKey, state: str | None, *, run_state: str = "running", **fields: Any
    ) -> TaskInstance:
        """Add or replace a task instance, and its run if it is new."""
        if (key.dag_id, key.run_id) not in self._runs:
            self.put_run(DagRun(key.dag_id, key.run_id, run_state, "scheduled", self._clock.now()))
        values: dict[str, Any] = {
            "id": str(uuid.uuid4()), "try_number": 1, "max_tries": 2, **fields
        }  # fmt: skip
        return self._store(TaskInstance(key=key, state=state, **values))

    def put_run(self, run: DagRun) -> None:
        """Add or replace a run."""
        self._runs[run.dag_id, run.run_id] = run

    def put_log(self, key: TaskKey, try_number: int, text: bytes) -> None:
        """Give an attempt a log."""
        self._logs[key, try_number] = text

    def put_backfill(self, backfill: Backfill) -> None:
        """Add or replace a backfill that is not over."""
        self._backfills[backfill.id] = backfill

    def end_backfill(self, backfill_id: int) -> None:
        """Let a backfill be over: it is listed no more, and cannot be paused."""
        del self._backfills[backfill_id]
        self._over.add(backfill_id)

    # The port.

    def health(self) -> Mapping[str, str]:
        """Return component → status."""
        self._reading()
        return dict(self._health)

    def version(self) -> str:
        """Return Airflow's version."""
        self._reading()
        return self.airflow_version

    def jobs(self) -> Sequence[Job]:
        """Return the job rows in state running, newest heartbeat first."""
        self._reading()
        running = [job for job in self._jobs.values() if job.state == "running"]
        return sorted(running, key=lambda job: (str(job.latest_heartbeat), job.id), reverse=True)

    def dags(self, *, tags: Collection[str] = ()) -> Sequence[Dag]:
        """Return the DAGs that carry any of `tags`."""
        self._reading()
        return [
            dag
            for _, dag in sorted(self._dags.items())
            if not dag.is_stale and (not tags or set(tags) & set(dag.tags))
        ]

    def dag(self, dag_id: str) -> Dag:
        """Return one DAG."""
        self._reading()
        if dag_id not in self._dags:
            raise NotFoundError(f"no DAG {dag_id}")
        return self._dags[dag_id]

    def set_paused(self, dag_id: str, *, paused: bool) -> None:
        """Pause or unpause one DAG."""
        dag = self.dag(dag_id)
        with self._effecting("set_paused", dag_id, paused):
            self._dags[dag_id] = replace(dag, is_paused=paused)

    def pools(self) -> Sequence[Pool]:
        """Return all pools, with what is in them counted now."""
        self._reading()
        return [self._counted(pool) for pool in self._pools.values()]

    def set_pool_slots(self, name: str, slots: int) -> None:
        """Set a pool's slots."""
        self._reading()
        if slots < 0:
            raise RejectedError(f"pool {name}: {slots} slots would mean unlimited")
        if name not in self._pools:
            raise NotFoundError(f"no pool {name}")
        with self._effecting("set_pool_slots", name, slots):
            self._pools[name] = replace(self._pools[name], slots=slots)

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
        """Return task instances matching every given filter."""
        self._reading()
        return [
            instance
            for key, instance in sorted(self._instances.items())
            if (not states or (instance.state or "none") in states)
            and (not pools or instance.pool in pools)
            and (not dag_ids or key.dag_id in dag_ids)
            and (not queues or instance.queue in queues)
            and (updated_after is None or self._updated[key] >= updated_after)
            and (
                started_after is None
                or (instance.start_date is not None and instance.start_date >= started_after)
            )
        ][:limit]

    def task_instance(self, key: TaskKey) -> TaskInstance:
        """Return one task instance."""
        self._reading()
        if key not in self._instances:
            raise NotFoundError(f"no task instance {key}")
        return self._instances[key]

    def held_back(self, key: TaskKey) -> Sequence[str]:
        """Return why it would not be started: of a paused DAG, or in a pool without an open slot."""
        task = self.task_instance(key)
        if task.state not in (None, "scheduled"):
            return []
        reasons = []
        dag = self._dags.get(key.dag_id)
        if dag is not None and dag.is_paused:
            reasons.append(f"Dag Not Paused: Task's DAG '{key.dag_id}' is paused.")
        pool = self._pools.get(task.pool)
        if pool is not None and self._counted(pool).open == 0:
            reasons.append(f"Pool Slots Available: there are 0 open slots in {task.pool}")
        return reasons

    def log_tail(self, key: TaskKey, try_number: int, *, most: int, keep: int) -> LogTail:
        """Return the end of an attempt's log."""
        self._reading()
        if (key, try_number) not in self._logs and key not in self._instances:
            raise NotFoundError(f"no attempt {try_number} of {key}")
        text = self._logs.get((key, try_number), b"")
        if len(text) >= most:
            return LogTail(text[:most][-keep:], most, whole=False)
        return LogTail(text[-keep:], len(text), whole=True)

    def clear(self, keys: Collection[TaskKey], *, note: str) -> Sequence[TaskInstance]:
        """Clear task instances of one run: a new id, a new set of retries, no state."""
        self._reading()
        wanted = sorted(set(keys))
        if len({(key.dag_id, key.run_id) for key in wanted}) != 1:
            raise RejectedError("clear takes tasks of one DAG run")
        run = (wanted[0].dag_id, wanted[0].run_id)
        if run not in self._runs:
            raise NotFoundError(f"no DAG run {run}")
        if missing := [key for key in wanted if key not in self._instances]:
            raise ConflictError(f"Airflow would clear another set of tasks: without {missing[0]}")
        if any(self._instances[key].state == "running" for key in wanted):
            raise ConflictError("tasks run now and are not cleared")
        with self._effecting("clear", *wanted):
            for key in wanted:
                self._clear_one(key)
                self.notes[key] = note
            if self._runs[run].state in ("success", "failed"):
                self._runs[run] = replace(self._runs[run], state="queued", end_date=None)
        return [self._instances[key] for key in wanted]

    def trigger(
        self, dag_id: str, *, run_id: str, conf: Mapping[str, Any], note: str = ""
    ) -> DagRun:
        """Start a run."""
        self.dag(dag_id)
        if (dag_id, run_id) in self._runs:
            raise ConflictError(f"run {run_id} of {dag_id} exists")
        run = DagRun(dag_id, run_id, "queued", "manual", self._clock.now())
        with self._effecting("trigger", dag_id, run_id):
            self._runs[dag_id, run_id] = run
            self.confs[dag_id, run_id] = dict(conf)
            self.notes[dag_id, run_id] = note
        return run

    def dag_runs(
        self, dag_id: str = "~", *, states: Collection[str] = (), limit: int = 100
    ) -> Sequence[DagRun]:
        """Return runs, newest first."""
        self._reading()
        if dag_id != "~":
            self.dag(dag_id)
        newest_first = reversed(self._runs.values())
        return [
            run
            for run in newest_first
            if dag_id in ("~", run.dag_id) and (not states or run.state in states)
        ][:limit]

    def backfills(self, dag_id: str) -> Sequence[Backfill]:
        """Return a DAG's backfills that are not over."""
        self.dag(dag_id)
        return [one for one in self._backfills.values() if one.dag_id == dag_id]

    def set_backfill_paused(self, backfill_id: int, *, paused: bool) -> None:
        """Pause or unpause one backfill."""
        self._reading()
        if backfill_id in self._over:
            raise ConflictError(f"backfill {backfill_id} is over")
        if backfill_id not in self._backfills:
            raise NotFoundError(f"no backfill {backfill_id}")
        with self._effecting("set_backfill_paused", backfill_id, paused):
            self._backfills[backfill_id] = replace(self._backfills[backfill_id], is_paused=paused)

    def _store(self, instance: TaskInstance) -> TaskInstance:
        self._instances[instance.key] = instance
        self._updated[instance.key] = self._clock.now()
        return instance

    def _clear_one(self, key: TaskKey) -> None:
        old = self._instances[key]
        retries = max(0, old.max_tries)
        self._store(
            replace(old, id=str(uuid.uuid4()), state=None, max_tries=old.try_number + retries)
        )

    def _counted(self, pool: Pool) -> Pool:
        states = [i.state for i in self._instances.values() if i.pool == pool.name]
        running, queued = states.count("running"), states.count("queued")
        deferred = states.count("deferred")
        used = running + queued + (deferred if pool.include_deferred else 0)
        return replace(
            pool,
            running=running,
            queued=queued,
            scheduled=states.count("scheduled"),
            deferred=deferred,
            # Airflow gives an unlimited pool's open slots as -1.
            open=pool.slots - used if pool.slots >= 0 else -1,
        )
