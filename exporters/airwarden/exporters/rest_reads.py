"""What collectors of a cluster without a metadata database share of what is read over REST."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from airwarden.core.clock import Clock
from airwarden.core.errors import RejectedError, UnavailableError
from airwarden.core.platform import DatabaseSession, TaskInstance
from airwarden.core.ports import Airflow, MeasuredAirflow
from airwarden.exporters.labels import DagLabels, DagRegistry
from airwarden.exporters.live_tasks import QUEUED_LONG, Group, Live, LiveTasks
from airwarden.exporters.rest_feed import MOST_OPEN
from airwarden.exporters.sources import DagRule

#: DAGs that one look reads: 20 requests.
DAGS_A_LOOK = 2000
#: Seconds after a whole reading of all DAGs until the next one begins.
REST = 600.0
#: Seconds for which one read of the unfinished tasks serves everybody.
FRESH = 50.0


class RestQueries:
    """Those queries of a metadata database that REST answers too, for collectors that need no more."""

    def __init__(self, airflow: MeasuredAirflow) -> None:
        self._airflow = airflow

    def rows(self, query: str, **parameters: Any) -> Sequence[Mapping[str, Any]]:
        """Answer `assets` and `last_successes`."""
        if query == "assets":
            return [
                {"name": a.name, "uri": a.uri, "updated": a.updated, "makers": a.makers}
                for a in self._airflow.asset_updates(parameters["names"])
            ]
        if query == "last_successes":
            return [
                {"dag_id": dag_id, "updated": self._airflow.last_success(dag_id)}
                for dag_id in parameters["dags"]
            ]
        raise RejectedError(f"REST does not answer {query}")

    def probe(self) -> float:
        """There is no database to ask."""
        raise RejectedError("no metadata database is configured")

    def sessions(self) -> Sequence[DatabaseSession]:
        """There is no database to ask."""
        raise RejectedError("no metadata database is configured")


class RestDagRegistry(DagRegistry):
    """The labels of every DAG, read a part at a time: fifteen thousand take two minutes.

    Until all were read once nothing has labels, and what needs them waits. A DAG that is new since the
    last reading has none until the next one.

    Args:
        airflow: Where they are read.
        rules: The operator's.
        clock: Time.
    """

    def __init__(self, airflow: MeasuredAirflow, rules: Sequence[DagRule], clock: Clock) -> None:
        super().__init__(RestQueries(airflow), rules, clock)
        self._airflow = airflow
        self._part: list[dict[str, Any]] = []
        self._total = 0

    def sweep(self) -> None:
        """Read the next part; called by one collector alone.

        Raises:
            AirwardenError: Airflow does not answer; the next call goes on from here.
        """
        age = None if self._read_at is None else self._clock.elapsed() - self._read_at
        if age is not None and age < REST and not self._part:
            return
        dags, total = self._airflow.dags_from(len(self._part), DAGS_A_LOOK)
        self._part += [
            {
                "dag_id": dag.dag_id, "is_paused": dag.is_paused, "is_stale": dag.is_stale,
                "has_import_errors": dag.has_import_errors, "tags": dag.tags,
            }
            for dag in dags
        ]  # fmt: skip
        self._total = total
        if len(self._part) >= total or not dags:
            # A DAG that came while others were read may stand here twice.
            rows = {row["dag_id"]: row for row in self._part}
            with self._lock:
                self._take(list(rows.values()))
            self._part = []

    def _fresh(self, wanted: set[str], *, strict: bool = False) -> Mapping[str, DagLabels]:
        if self._read_at is None:
            raise UnavailableError(
                f"the DAGs are still being read over REST: {len(self._part)} of {self._total or '?'}"
            )
        return self._fleet.dags


class RestLiveTasks(LiveTasks):
    """The unfinished tasks as REST shows them; heartbeats and triggerers it does not show."""

    def __init__(
        self, measured: MeasuredAirflow, airflow: Airflow, registry: DagRegistry, clock: Clock
    ) -> None:
        super().__init__(RestQueries(measured), clock, fresh=FRESH, patience=FRESH)
        self._airflow = airflow
        self._measured = measured
        self._registry = registry

    def _look(self) -> Live:
        tasks = self._measured.live_tasks(MOST_OPEN)
        dags = self._registry.of({task.key.dag_id for task in tasks})
        now = self._clock.now()
        alike: dict[tuple[str, str, str, int, bool], list[TaskInstance]] = defaultdict(list)
        for task in tasks:
            paused = task.state == "scheduled" and dags[task.key.dag_id].paused
            key = (str(task.state), task.queue, task.pool, task.pool_slots, paused)
            alike[key].append(task)
        groups = [_group(key, members, now) for key, members in alike.items()]
        pools = {pool.name: pool for pool in self._airflow.pools()}
        return Live(now.timestamp(), pools, groups)


def _group(
    key: tuple[str, str, str, int, bool], tasks: Sequence[TaskInstance], now: datetime
) -> Group:
    state = key[0]
    since = list(_known(_since(task) for task in tasks))
    ages = [max(0.0, (now - moment).total_seconds()) for moment in since]
    queued = [moment.timestamp() for moment in _known(task.queued_when for task in tasks)]
    return Group(
        *key,
        tasks=len(tasks),
        oldest=max(ages, default=None),
        last_queued=max(queued, default=None) if state in ("queued", "running") else None,
        queued_long=sum(age > QUEUED_LONG for age in ages) if state == "queued" else 0,
    )


def _since(task: TaskInstance) -> datetime | None:
    """Return when a task came into its state, where REST tells."""
    match task.state:
        case "scheduled":
            return task.scheduled_when
        case "queued":
            return task.queued_when
        case "running":
            return task.start_date
        case "up_for_retry":
            return task.end_date
    return None


def _known(moments: Iterable[datetime | None]) -> Iterable[datetime]:
    return (moment for moment in moments if moment is not None)
