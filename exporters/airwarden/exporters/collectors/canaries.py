"""Canaries: one small DAG a queue, whose runs prove the whole way from the schedule to the end of a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from airwarden.core.durations import parse_duration
from airwarden.core.ports import Airflow, MetadataDatabase
from airwarden.exporters.families import Family, Labels, gauge
from airwarden.exporters.labels import CANARY, DagLabels, DagRegistry, labels_of

#: Canaries that are followed: the first ones by DAG id.
MOST = 200
#: Seconds between two runs of a canary whose tag does not say it.
EVERY = 120.0


@dataclass(frozen=True, slots=True)
class Success:
    """A canary's last run that ended well: when, and how long after it was due (seconds)."""

    at: float
    took: float


class CanaryRuns(Protocol):
    """Where canaries and their runs are read."""

    def dags(self) -> Mapping[str, DagLabels]:
        """Return the canaries that are not paused."""
        ...

    def last(self, dags: Sequence[str]) -> Mapping[str, Success]:
        """Return the last success of those that had one lately."""
        ...


class CanariesInDatabase:
    """Canaries by the metadata database.

    Args:
        database: The metadata database.
        registry: Labels of DAGs.
    """

    def __init__(self, database: MetadataDatabase, registry: DagRegistry) -> None:
        self._database = database
        self._registry = registry

    def dags(self) -> Mapping[str, DagLabels]:
        """Return the canaries that are not paused."""
        return self._registry.fleet().canaries

    def last(self, dags: Sequence[str]) -> Mapping[str, Success]:
        """Return the last success among each one's latest runs."""
        return {
            row["dag_id"]: Success(row["succeeded"], row["took"])
            for row in self._database.rows("canary_runs", dags=list(dags))
        }


class CanariesByRest:
    """Canaries by the REST API, where nothing else can be read.

    Args:
        airflow: The API.
    """

    def __init__(self, airflow: Airflow) -> None:
        self._airflow = airflow

    def dags(self) -> Mapping[str, DagLabels]:
        """Return the canaries that are not paused."""
        return {
            dag.dag_id: labels_of(dag.dag_id, dag.tags, ())
            for dag in self._airflow.dags(tags=(CANARY,))
            if not dag.is_paused
        }

    def last(self, dags: Sequence[str]) -> Mapping[str, Success]:
        """Return each one's last success; one request a canary."""
        found: dict[str, Success] = {}
        for dag_id in dags:
            for run in self._airflow.dag_runs(dag_id, states=("success",), limit=1):
                due = run.run_after or run.start_date
                if run.end_date is not None and due is not None:
                    found[dag_id] = Success(run.end_date.timestamp(), _seconds(due, run.end_date))
        return found


class CanariesCollector:
    """Tells when each queue last proved to work; a canary that never has reads 0."""

    name = "canaries"
    interval = 15.0
    timeout = 15.0

    def __init__(self, runs: CanaryRuns) -> None:
        self._runs = runs
        self._last: dict[str, Success] = {}

    def collect(self) -> Sequence[Family]:
        """Return the canaries' last successes; of two of one queue the newer counts."""
        canaries = self._runs.dags()
        dags = sorted(id_ for id_, dag in canaries.items() if dag.canary)[:MOST]
        found = self._runs.last(dags) if dags else {}
        # What was seen once stays known, however many runs have failed since.
        self._last = {id_: self._last[id_] for id_ in dags if id_ in self._last} | dict(found)
        succeeded: dict[Labels, float] = {}
        took: dict[Labels, float] = {}
        every: dict[Labels, float] = {}
        for id_ in dags:
            queue = (canaries[id_].canary,)
            every[queue] = min(every.get(queue, float("inf")), _pause(canaries[id_].canary_every))
            last = self._last.get(id_)
            succeeded.setdefault(queue, 0.0)
            if last is not None and last.at > succeeded[queue]:
                succeeded[queue], took[queue] = round(last.at, 3), round(last.took, 3)
        return [
            gauge("airwarden_canary_last_success_timestamp_seconds", succeeded),
            gauge("airwarden_canary_run_duration_seconds", took),
            gauge("airwarden_canary_interval_seconds", every),
        ]


def _pause(text: str) -> float:
    try:
        return parse_duration(text).total_seconds() if text else EVERY
    except ValueError:
        return EVERY


def _seconds(due: datetime, end: datetime) -> float:
    return max(0.0, (end - due).total_seconds())
