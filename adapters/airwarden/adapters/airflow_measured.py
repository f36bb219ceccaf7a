"""The `MeasuredAirflow` port over the REST API of Airflow 3: reading for metrics, page by page and slowly.

Where the metadata database cannot be read this is all there is. Airflow answers a hundred rows in tens of
milliseconds to a third of a second, and its API server has other work to do: so requests are spaced out.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from airwarden.adapters.airflow_answers import dag_of, dag_run_of, task_instance_of, utc
from airwarden.adapters.airflow_auth import TokenSource
from airwarden.adapters.airflow_client_calls import AirflowCalls
from airwarden.core.errors import RejectedError
from airwarden.core.platform import AssetUpdate, Dag, DagRun, TaskInstance, TaskKey

#: Airflow clamps a page to `[api] maximum_page_limit`, 100 by default.
_PAGE = 100
#: Import errors and warnings that are read at most.
_MOST = 10_000
OPEN_RUNS = ("queued", "running")
LIVE_TASKS = (
    "scheduled", "queued", "running", "restarting", "deferred", "up_for_retry", "up_for_reschedule",
)  # fmt: skip
_BEGUN = ("running", "restarting", "deferred", "up_for_reschedule")
_OVER = ("success", "failed", "skipped", "upstream_failed", "removed")


class AirflowMeasures:
    """One Airflow cluster's REST API.

    Args:
        url: Base URL, as a browser would open it.
        tokens: Where the bearer token comes from.
        timeout: Seconds for one request.
        rate: Requests a second at most.
        ca_file: PEM bundle to trust instead of the system's.
        proxy: Proxy URL.
        wait: Waits for so many seconds.
    """

    def __init__(
        self,
        url: str,
        tokens: TokenSource,
        *,
        timeout: float = 5.0,
        rate: float = 10.0,
        ca_file: str = "",
        proxy: str = "",
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._calls = AirflowCalls(url, tokens, timeout=timeout, ca_file=ca_file, proxy=proxy)
        self._pause = 1.0 / rate
        self._wait = wait
        self._lock = threading.Lock()
        self._next = time.monotonic()

    def dags_from(self, offset: int, most: int) -> tuple[Sequence[Dag], int]:
        """Return DAGs by `dag_id` from an offset on, stale ones included, and how many there are."""
        found, total = self._pages(
            "DAGApi", "get_dags", "dags", most,
            offset=offset, filters={"exclude_stale": False, "order_by": ["dag_id"]},
        )  # fmt: skip
        return [dag_of(dag) for dag in found], total

    def open_runs(self, most: int) -> Sequence[DagRun]:
        """Return the queued and running runs; raises RejectedError when there are more than `most`."""
        found, total = self._runs(most, state=list(OPEN_RUNS), order_by=["id"])
        _bound("open runs", total, most)
        return found

    def runs_ended_since(self, moment: datetime, most: int) -> Sequence[DagRun]:
        """Return the runs that ended at or after a moment, the earliest first, at most `most`."""
        # Airflow takes a missing end as late enough: the state leaves out most of what has none.
        found, _ = self._runs(
            most, end_date_gte=moment, state=["success", "failed"], order_by=["end_date"]
        )
        return [run for run in found if run.end_date is not None]

    def live_tasks(self, most: int) -> Sequence[TaskInstance]:
        """Return the task instances between scheduled and ended; RejectedError beyond `most`."""
        found, total = self._tasks(most, state=list(LIVE_TASKS), order_by=["id"])
        _bound("unfinished task instances", total, most)
        return found

    def tasks_since(self, moment: datetime, most: int, *, by: str) -> Sequence[TaskInstance]:
        """Return the task instances with a start or an end (`by`) at or after a moment, earliest first."""
        column, states = {
            "start": ("start_date", (*_BEGUN, "success", "failed")),
            "end": ("end_date", (*_OVER, "up_for_retry")),
        }[by]
        found, _ = self._tasks(
            most, state=list(states), order_by=[column], **{f"{column}_gte": moment}
        )
        # A state set by hand may have no start or end: Airflow counts that as late enough, and sorts it last.
        return [task for task in found if getattr(task, column) is not None]

    def tries(self, key: TaskKey) -> Sequence[TaskInstance]:
        """Return every attempt of a task instance, the present one included."""
        names = (key.dag_id, key.run_id, key.task_id)
        if key.map_index < 0:
            answer = self._read("TaskInstanceApi", "get_task_instance_tries", *names)
        else:
            answer = self._read(
                "TaskInstanceApi", "get_mapped_task_instance_tries", *names, key.map_index
            )
        return [task_instance_of(attempt) for attempt in answer.task_instances]

    def import_errors(self) -> Mapping[str, int]:
        """Return bundle → DAG files that cannot be imported; raises RejectedError beyond 10,000."""
        found, total = self._pages("ImportErrorApi", "get_import_errors", "import_errors", _MOST)
        _bound("import errors", total, _MOST)
        return Counter(error.bundle_name or "none" for error in found)

    def dag_warnings(self) -> Mapping[str, int]:
        """Return kind of warning → DAGs; raises RejectedError beyond 10,000."""
        found, total = self._pages("DagWarningApi", "list_dag_warnings", "dag_warnings", _MOST)
        _bound("DAG warnings", total, _MOST)
        return Counter(str(getattr(w.warning_type, "value", w.warning_type)) for w in found)

    def asset_updates(self, names: Collection[str]) -> Sequence[AssetUpdate]:
        """Return those of these assets (by name or URI) that exist; one request for each name, or two."""
        found = []
        for name in sorted(names):
            for pattern in ("name_pattern", "uri_pattern"):
                assets, _ = self._pages(
                    "AssetApi",
                    "get_assets",
                    "assets",
                    _PAGE,
                    filters={pattern: name, "only_active": False},
                )
                exact = [asset for asset in assets if name in (asset.name, asset.uri)]
                if exact:
                    found += [_asset(asset) for asset in exact]
                    break
        return found

    def last_success(self, dag_id: str) -> datetime | None:
        """Return when a DAG last ended a run well."""
        answer = self._read(
            "DagRunApi", "get_dag_runs", dag_id, state=["success"], order_by=["-end_date"], limit=1
        )
        return utc(answer.dag_runs[0].end_date) if answer.dag_runs else None

    def _runs(self, most: int, **filters: object) -> tuple[list[DagRun], int]:
        found, total = self._pages(
            "DagRunApi", "get_dag_runs", "dag_runs", most, "~", filters=filters
        )
        return [dag_run_of(run) for run in found], total

    def _tasks(self, most: int, **filters: object) -> tuple[list[TaskInstance], int]:
        found, total = self._pages(
            "TaskInstanceApi",
            "get_task_instances",
            "task_instances",
            most,
            "~",
            "~",
            filters=filters,
        )
        return [task_instance_of(instance) for instance in found], total

    def _pages(
        self,
        api: str,
        method: str,
        items: str,
        most: int,
        *arguments: object,
        offset: int = 0,
        filters: Mapping[str, object] = MappingProxyType({}),
    ) -> tuple[list[Any], int]:
        """Return what there is from an offset on, up to `most`, and how many there are in all."""
        found: list[Any] = []
        while True:
            answer = self._read(
                api, method, *arguments,
                limit=min(_PAGE, most - len(found)), offset=offset + len(found), **filters,
            )  # fmt: skip
            page, total = getattr(answer, items), int(answer.total_entries or 0)
            found += page
            # A list that shrinks while it is read ends with an empty page.
            if not page or len(found) >= most or offset + len(found) >= total:
                return found, total

    def _read(self, api: str, method: str, *arguments: object, **keywords: object) -> Any:
        with self._lock:
            now = time.monotonic()
            wait, self._next = self._next - now, max(self._next, now) + self._pause
        if wait > 0:
            self._wait(wait)
        return self._calls.read(api, method, *arguments, **keywords)


def _bound(what: str, total: int, most: int) -> None:
    if total > most:
        raise RejectedError(
            f"Airflow has {total} {what}, more than the {most} that are read over REST:"
            " give metadata_database a dsn"
        )


def _asset(asset: Any) -> AssetUpdate:
    event = asset.last_asset_event
    updated = utc(event.timestamp if event and event.timestamp else asset.created_at)
    if updated is None:
        raise RejectedError(f"Airflow tells no time of the asset {asset.name}")
    makers = tuple(sorted({task.dag_id for task in asset.producing_tasks or ()}))
    return AssetUpdate(asset.name, asset.uri, updated, makers)
