"""Where failed attempts are found: in the audit log of the metadata database, or by REST without one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from airwarden.core.clock import Clock
from airwarden.core.errors import NotFoundError
from airwarden.core.failures import AttemptKey
from airwarden.core.platform import TaskInstance
from airwarden.core.ports import Airflow, MetadataDatabase
from airwarden.exporters.audit_feed import AuditFeed
from airwarden.exporters.labels import DagLabels, DagRegistry, labels_of
from airwarden.exporters.sources import DagRule

_ENDED = ("up_for_retry", "failed")
#: Seconds of an attempt's events, which come before its end.
REMEMBER = 1_800.0
MOST_REMEMBERED = 20_000
#: Task instances that one look by REST takes, and seconds that it looks back beyond the last one.
PAGE, OVERLAP = 500, 60.0
#: DAGs whose tags are kept without a database, and for how many seconds.
MOST_DAGS, KEEP_DAGS = 5_000, 600.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """A failed attempt.

    Attributes:
        at: When it ended.
        final: Whether no other attempt follows by itself.
        events: What Airflow's audit log says of it, beside that it failed.
    """

    key: AttemptKey
    at: datetime
    dag: DagLabels
    operator: str = ""
    hostname: str = ""
    final: bool = True
    events: frozenset[str] = frozenset()


class FailedAttempts(Protocol):
    """Gives each failed attempt once."""

    def read(self) -> Sequence[Attempt]:
        """Return the attempts that failed since the last look; raises AirwardenError."""
        ...


class AttemptsInDatabase:
    """Failed attempts by the audit log, in which Airflow writes each of them once.

    Args:
        database: The metadata database.
        registry: Labels of DAGs.
        clock: Time.
    """

    def __init__(self, database: MetadataDatabase, registry: DagRegistry, clock: Clock) -> None:
        self._feed = AuditFeed(database, "failed_attempts")
        self._registry = registry
        self._clock = clock
        self._events: OrderedDict[AttemptKey, tuple[float, set[str]]] = OrderedDict()

    def read(self) -> Sequence[Attempt]:
        """Return the attempts that failed since the last look."""
        reading = self._feed.read()
        labels = self._registry.of({row["dag_id"] for row in reading.rows})
        self._feed.take(reading)
        self._forget()
        found: list[Attempt] = []
        for row in reading.rows:
            key = _key(row)
            if row["event"] not in _ENDED:
                self._remember(key, row["event"])
                continue
            _, events = self._events.pop(key, (0.0, set[str]()))
            dag = labels[row["dag_id"]]
            found.append(
                Attempt(
                    key, row["at"], dag, row["operator"], row["hostname"], row["final"],
                    frozenset(events),
                )
            )  # fmt: skip
        return found

    def _remember(self, key: AttemptKey, event: str) -> None:
        _, events = self._events.setdefault(key, (self._clock.elapsed(), set()))
        events.add(event)

    def _forget(self) -> None:
        now = self._clock.elapsed()
        while self._events:
            at, _ = next(iter(self._events.values()))
            if now - at <= REMEMBER and len(self._events) <= MOST_REMEMBERED:
                return
            self._events.popitem(last=False)


class AttemptsByRest:
    """Failed attempts by Airflow's REST API; one that was retried between two looks is missed.

    Args:
        airflow: The API.
        rules: The operator's, for DAGs without tags.
        clock: Time.
    """

    def __init__(self, airflow: Airflow, rules: Sequence[DagRule], clock: Clock) -> None:
        self._airflow = airflow
        self._rules = tuple(rules)
        self._clock = clock
        self._since: datetime | None = None
        self._seen: OrderedDict[AttemptKey, None] = OrderedDict()
        self._dags: OrderedDict[str, tuple[float, DagLabels]] = OrderedDict()

    def read(self) -> Sequence[Attempt]:
        """Return the attempts that failed since the last look."""
        begun = self._clock.now()
        since = self._since or begun
        instances = self._airflow.task_instances(
            states=_ENDED, updated_after=since - timedelta(seconds=OVERLAP), limit=PAGE
        )
        new = [one for one in instances if _key_of(one) not in self._seen]
        # What failed before the start is not counted.
        found = [self._attempt(one, begun) for one in new if self._since is not None]
        self._since = begun
        for one in new:
            self._seen[_key_of(one)] = None
        while len(self._seen) > MOST_REMEMBERED:
            self._seen.popitem(last=False)
        return found

    def _attempt(self, one: TaskInstance, now: datetime) -> Attempt:
        return Attempt(
            _key_of(one),
            one.end_date or now,
            self._labels(one.key.dag_id),
            one.operator,
            one.hostname,
            one.state == "failed",
        )

    def _labels(self, dag_id: str) -> DagLabels:
        now = self._clock.elapsed()
        known = self._dags.get(dag_id)
        if known is None or now - known[0] > KEEP_DAGS:
            try:
                tags: Sequence[str] = self._airflow.dag(dag_id).tags
            except NotFoundError:
                tags = ()
            known = self._dags[dag_id] = (now, labels_of(dag_id, tags, self._rules))
            while len(self._dags) > MOST_DAGS:
                self._dags.popitem(last=False)
        return known[1]


def _key(row: Mapping[str, Any]) -> AttemptKey:
    return AttemptKey(
        row["dag_id"], row["run_id"], row["task_id"], row["map_index"], row["try_number"]
    )


def _key_of(one: TaskInstance) -> AttemptKey:
    return AttemptKey(
        one.key.dag_id, one.key.run_id, one.key.task_id, one.key.map_index, one.try_number
    )
