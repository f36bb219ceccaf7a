"""The `Airflow` port over the REST API (`/api/v2`) of Airflow 3, by apache-airflow-client.

Only absolute, single-target writes are offered. Clearing goes through a wrapper, because Airflow's own
defaults widen it to a DAG's whole history: one run, named tasks, a dry run whose set must be equal,
and no running task.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from airwarden.adapters.airflow_answers import dag_of, dag_run_of, pool_of, task_instance_of, utc
from airwarden.adapters.airflow_auth import TokenSource
from airwarden.adapters.airflow_client_calls import AirflowCalls
from airwarden.core.errors import ConflictError, NotFoundError, RejectedError, UnavailableError
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

#: Airflow clamps a page to `[api] maximum_page_limit`, 100 by default.
_PAGE = 100
_JOB_TYPES = {
    "SchedulerJob": Component.SCHEDULER,
    "TriggererJob": Component.TRIGGERER,
    "DagProcessorJob": Component.DAG_PROCESSOR,
}
_HEALTH = ("metadatabase", "scheduler", "triggerer", "dag_processor")


class AirflowRest:
    """One Airflow cluster.

    Args:
        url: Base URL, as a browser would open it.
        tokens: Where the bearer token comes from.
        timeout: Seconds for one request; a read is tried again within as much.
        ca_file: PEM bundle to trust instead of the system's.
        proxy: Proxy URL.
        elapsed: Seconds on a clock that is never set back; what Airflow asks to wait is measured by it.
    """

    def __init__(
        self,
        url: str,
        tokens: TokenSource,
        *,
        timeout: float = 5.0,
        ca_file: str = "",
        proxy: str = "",
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url, self._timeout, self._ca_file, self._proxy = url, timeout, ca_file, proxy
        self._calls = AirflowCalls(
            url, tokens, timeout=timeout, ca_file=ca_file, proxy=proxy, elapsed=elapsed
        )

    def version(self) -> str:
        """Return Airflow's version; the cheapest call that proves the API answers and lets us in."""
        return str(self._calls.read("VersionApi", "get_version").version)

    def health(self) -> Mapping[str, str]:
        """Return component → status from `/monitor/health`; a part that Airflow leaves out is absent.

        Airflow 2, which refuses to sign us in, is asked where it tells its health.
        """
        try:
            answer = self._calls.read("MonitorApi", "get_health")
        except (RejectedError, NotFoundError) as refusal:
            with contextlib.suppress(UnavailableError):
                if found := self._health_of_two():
                    return found
            raise refusal from None
        parts = {name: getattr(answer, name, None) for name in _HEALTH}
        return {name: str(part.status) for name, part in parts.items() if part and part.status}

    def _health_of_two(self) -> Mapping[str, str]:
        from airwarden.adapters import airflow_two

        return airflow_two.health(
            self._url, timeout=self._timeout, ca_file=self._ca_file, proxy=self._proxy
        )

    def jobs(self) -> Sequence[Job]:
        """Return the job rows in state running, newest heartbeat first."""
        pages = self._offset_pages(
            "JobApi",
            "get_jobs",
            lambda answer: answer.jobs,
            job_state="running",
            order_by=["-latest_heartbeat"],
        )
        return [
            Job(
                id=job.id,
                component=_JOB_TYPES[job.job_type],
                hostname=job.hostname or "",
                state=job.state or "",
                started_at=utc(job.start_date),
                latest_heartbeat=utc(job.latest_heartbeat),
            )
            for job in pages
            if job.job_type in _JOB_TYPES
        ]

    def dags(self, *, tags: Collection[str] = ()) -> Sequence[Dag]:
        """Return the DAGs that carry any of `tags`; 0.3 s per hundred."""
        filters: dict[str, object] = {"exclude_stale": True, "order_by": ["dag_id"]}
        if tags:
            filters |= {"tags": sorted(tags), "tags_match_mode": "any"}
        pages = self._offset_pages("DAGApi", "get_dags", lambda answer: answer.dags, **filters)
        return [dag_of(dag) for dag in pages]

    def dag(self, dag_id: str) -> Dag:
        """Return one DAG; raises NotFoundError."""
        return dag_of(self._calls.read("DAGApi", "get_dag", dag_id))

    def set_paused(self, dag_id: str, *, paused: bool) -> None:
        """Pause or unpause exactly one DAG, never by pattern."""
        from airflow_client.client import DAGPatchBody

        body = DAGPatchBody(is_paused=paused)
        self._calls.effect("DAGApi", "patch_dag", dag_id, body, update_mask=["is_paused"])

    def pools(self) -> Sequence[Pool]:
        """Return all pools with what the scheduler counts in them now."""
        pages = self._offset_pages(
            "PoolApi", "get_pools", lambda answer: answer.pools, order_by=["id"]
        )
        return [pool_of(pool) for pool in pages]

    def set_pool_slots(self, name: str, slots: int) -> None:
        """Set a pool's slots to an absolute number.

        Raises:
            RejectedError: The number is negative: unlimited is not for a machine to decide.
        """
        if slots < 0:
            raise RejectedError(f"pool {name}: {slots} slots would mean unlimited")
        from airflow_client.client import PoolPatchBody

        current = self._calls.read("PoolApi", "get_pool", name)
        # The server validates the whole body, even what the mask leaves out.
        body = PoolPatchBody.from_dict(
            {"pool": name, "slots": slots, "include_deferred": current.include_deferred}
        )
        self._calls.effect("PoolApi", "patch_pool", name, body, update_mask=["slots"])

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
        """Return task instances matching every given filter, at most `limit`.

        One request per hundred, and at least one per DAG.
        """
        filters: dict[str, object] = {}
        if states:
            filters["state"] = sorted(states)
        if pools:
            filters["pool"] = sorted(pools)
        if queues:
            filters["queue"] = sorted(queues)
        if updated_after is not None:
            filters["updated_at_gte"] = updated_after
        if started_after is not None:
            filters["start_date_gte"] = started_after
        found: list[TaskInstance] = []
        for dag_id in sorted(set(dag_ids)) or ["~"]:
            for instance in self._task_instances(dag_id, filters):
                # Airflow takes what has never started for started now.
                if started_after is not None and instance.start_date is None:
                    continue
                if len(found) >= limit:
                    return found
                found.append(instance)
        return found

    def task_instance(self, key: TaskKey) -> TaskInstance:
        """Return one task instance; raises NotFoundError."""
        if key.map_index < 0:
            answer = self._calls.read(
                "TaskInstanceApi", "get_task_instance", key.dag_id, key.run_id, key.task_id
            )
        else:
            answer = self._calls.read(
                "TaskInstanceApi", "get_mapped_task_instance",
                key.dag_id, key.run_id, key.task_id, key.map_index,
            )  # fmt: skip
        return task_instance_of(answer)

    def held_back(self, key: TaskKey) -> Sequence[str]:
        """Return why Airflow does not start a task instance; it tells of none that it has queued."""
        arguments: tuple[object, ...] = (key.dag_id, key.run_id, key.task_id)
        method = "get_task_instance_dependencies"
        if key.map_index >= 0:
            method, arguments = f"{method}_by_map_index", (*arguments, key.map_index)
        answer = self._calls.read("TaskInstanceApi", method, *arguments)
        return [f"{one.name}: {one.reason}" for one in answer.dependencies]

    def log_tail(self, key: TaskKey, try_number: int, *, most: int, keep: int) -> LogTail:
        """Return the end of an attempt's log; Airflow itself reads and sends it from the beginning.

        Args:
            key: The task instance.
            try_number: Which attempt, from 1.
            most: Bytes after which reading is given up.
            keep: Bytes of the end that are returned.

        Raises:
            NotFoundError: There is no such attempt.
        """
        return self._calls.tail(
            "TaskInstanceApi", "get_log", key.dag_id, key.run_id, key.task_id, try_number,
            most=most, keep=keep, full_content=True, map_index=key.map_index,
            accept="application/x-ndjson",
        )  # fmt: skip

    def clear(self, keys: Collection[TaskKey], *, note: str) -> Sequence[TaskInstance]:
        """Clear exactly these task instances of one DAG run.

        Args:
            keys: All of one DAG and run; none of them running.
            note: Stored by Airflow with each, at most 1,000 characters.

        Returns:
            The task instances as they are afterwards, with their new ids.

        Raises:
            RejectedError: `keys` is empty or spans several runs.
            ConflictError: Airflow would clear anything else, or one is running; nothing changed.
            UnknownOutcomeError: The reply was lost: compare the task instances' ids.
        """
        wanted = set(keys)
        runs = {(key.dag_id, key.run_id) for key in wanted}
        if len(runs) != 1:
            raise RejectedError(f"clear takes tasks of one DAG run, not of {len(runs)}")
        (dag_id, run_id) = next(iter(runs))
        would = self._clear(dag_id, run_id, wanted, note="", dry_run=True)
        affected = {instance.key for instance in would}
        if affected != wanted:
            other = sorted(affected ^ wanted)[:3]
            raise ConflictError(f"Airflow would clear another set of tasks, for example {other}")
        running = [instance.key.task_id for instance in would if instance.state == "running"]
        if running:
            raise ConflictError(f"tasks run now and are not cleared: {', '.join(running)}")
        return self._clear(dag_id, run_id, wanted, note=note, dry_run=False)

    def trigger(
        self, dag_id: str, *, run_id: str, conf: Mapping[str, Any], note: str = ""
    ) -> DagRun:
        """Start a run; the same `run_id` again raises ConflictError."""
        from airflow_client.client import TriggerDAGRunPostBody

        body = TriggerDAGRunPostBody(
            dag_run_id=run_id, logical_date=None, conf=dict(conf), note=note[:1000] or None
        )
        return dag_run_of(self._calls.effect("DagRunApi", "trigger_dag_run", dag_id, body))

    def dag_runs(
        self, dag_id: str = "~", *, states: Collection[str] = (), limit: int = 100
    ) -> Sequence[DagRun]:
        """Return runs of one DAG, or of all with `~`, newest first."""
        filters: dict[str, object] = {"order_by": ["-id"]}
        if states:
            filters["state"] = sorted(states)
        runs: list[DagRun] = []
        for run in self._offset_pages(
            "DagRunApi", "get_dag_runs", lambda answer: answer.dag_runs, dag_id, **filters
        ):
            if len(runs) >= limit:
                break
            runs.append(dag_run_of(run))
        return runs

    def backfills(self, dag_id: str) -> Sequence[Backfill]:
        """Return a DAG's backfills that are not over."""
        pages = self._offset_pages(
            "BackfillApi", "list_backfills", lambda answer: answer.backfills, dag_id
        )
        return [
            Backfill(one.id, one.dag_id, one.is_paused) for one in pages if one.completed_at is None
        ]

    def set_backfill_paused(self, backfill_id: int, *, paused: bool) -> None:
        """Pause or unpause one backfill; what is so already stays so.

        Raises:
            ConflictError: It is over.
        """
        method = "pause_backfill" if paused else "unpause_backfill"
        self._calls.effect("BackfillApi", method, backfill_id)

    def _clear(
        self, dag_id: str, run_id: str, keys: Collection[TaskKey], *, note: str, dry_run: bool
    ) -> list[TaskInstance]:
        from airflow_client.client import ClearTaskInstancesBody

        body = ClearTaskInstancesBody.from_dict(
            {
                "dry_run": dry_run,
                "dag_run_id": run_id,
                "task_ids": [[key.task_id, key.map_index] for key in sorted(keys)],
                "only_failed": False,
                "only_running": False,
                "include_upstream": False,
                "include_downstream": False,
                "include_future": False,
                "include_past": False,
                "reset_dag_runs": True,
                "prevent_running_task": True,
                "note": note[:1000] or None,
            }
        )
        call = self._calls.read if dry_run else self._calls.effect
        answer = call("TaskInstanceApi", "post_clear_task_instances", dag_id, body)
        return [task_instance_of(instance) for instance in answer.task_instances]

    def _task_instances(self, dag_id: str, filters: dict[str, object]) -> Iterator[TaskInstance]:
        cursor: str | None = ""
        used: set[str] = set()
        found = 0
        while cursor is not None:
            if cursor in used:
                raise UnavailableError(
                    f"Airflow gives the same page of task instances of {dag_id} twice"
                )
            used.add(cursor)
            answer = self._calls.read(
                "TaskInstanceApi", "get_task_instances", dag_id, "~",
                cursor=cursor, limit=_PAGE, **filters,
            )  # fmt: skip
            yield from (task_instance_of(instance) for instance in answer.task_instances)
            found += len(answer.task_instances)
            cursor = answer.next_cursor or None
        # Releases before 3.3 know no cursor: they pass over it, and say how many there are in all.
        if answer.total_entries_limit is None and found < (answer.total_entries or 0):
            for instance in self._offset_pages(
                "TaskInstanceApi", "get_task_instances", lambda one: one.task_instances,
                dag_id, "~", **{**filters, "offset": found},
            ):  # fmt: skip
                yield task_instance_of(instance)

    def _offset_pages(
        self,
        api: str,
        method: str,
        items: Callable[[Any], Sequence[Any]],
        *arguments: object,
        **filters: object,
    ) -> Iterator[Any]:
        """Yield what all pages hold, from the `offset` among the filters on.

        A page may be shorter than asked for: the server's `maximum_page_limit` may be lower. What it
        says there is in all decides, so that a selection is never silently cut.
        """
        offset, before = int(str(filters.pop("offset", 0))), None
        while True:
            answer = self._calls.read(
                api, method, *arguments, limit=_PAGE, offset=offset, **filters
            )
            page = items(answer)
            if page and page == before:
                raise UnavailableError(
                    f"Airflow answers {method} with the same page again and again"
                )
            yield from page
            offset, before = offset + len(page), page
            total = answer.total_entries
            if total is None and len(page) == _PAGE:
                continue
            if total is None or offset >= total:
                return
            if not page:
                raise UnavailableError(f"Airflow answers {method} with {offset} of {total} entries")
