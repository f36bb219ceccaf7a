"""Takes posted events: how many, how often; validates, and counts each event once.

`POST /api/v1/events` takes one event or a list; `POST /api/v1/lineage` takes OpenLineage run events as
their clients post them. An event is answered with success after its id and values are kept: what was
acknowledged is neither lost nor counted twice. A request is taken as a whole or not at all.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from pydantic import ValidationError

from airwarden.core.clock import Clock
from airwarden.core.errors import AirwardenError
from airwarden.core.metrics import MetricType, metric
from airwarden.core.ports import EventMemory
from airwarden.core.reported import Reading
from airwarden.exporters.events import openlineage
from airwarden.exporters.events.kinds import ADAPTER, AHEAD, KINDS, OLDEST
from airwarden.exporters.labels import labels_of
from airwarden.exporters.reported import ReportedValues
from airwarden.exporters.server import Admits
from airwarden.exporters.sources import DagRule

_log = structlog.get_logger(__name__)
EVENTS, LINEAGE = "/api/v1/events", "/api/v1/lineage"
#: Most events of one request.
MAX_BATCH = 500
#: Problems of a request that are named in the answer.
_SHOWN = 10
_EVERY_KIND = (*KINDS, openlineage.KIND, "unknown")


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """How much may come.

    Attributes:
        rate: Events a second over a longer time.
        burst: Events that may come at once.
    """

    rate: float = 100.0
    burst: float = 1_000.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer.

    Attributes:
        status: Its status.
        said: Its body, as JSON.
        retry_after: Seconds to wait before it is sent again; None where that is of no use.
    """

    status: int
    said: Mapping[str, Any]
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cluster's events go.

    Attributes:
        values: Its readings.
        rules: The operator's, for the team of a DAG.
    """

    values: ReportedValues
    rules: tuple[DagRule, ...] = ()


@dataclass(frozen=True, slots=True)
class _Taken:
    """One event that was understood."""

    id: str
    kind: str
    cluster: str
    readings: tuple[Reading, ...]


class _Refused(Exception):  # noqa: N818 - an answer, not an error of ours
    def __init__(self, status: int, error: str, *problems: str, retry_after: int | None = None):
        said: dict[str, Any] = {"error": error} | ({"problems": problems} if problems else {})
        self.answer = Answer(status, said, retry_after)


class EventIntake:
    """The endpoint without its HTTP; safe for threads.

    Args:
        door: Who may post.
        memory: What outlives the exporter.
        clock: Time.
        limits: How much may come.
    """

    def __init__(
        self,
        door: Admits,
        memory: EventMemory,
        clock: Clock,
        limits: IntakeLimits = IntakeLimits(),
    ) -> None:
        self.limits = limits
        self.door = door
        self._memory = memory
        self._clock = clock
        self._lock = threading.Lock()
        self._places: Mapping[str, Place] = {}
        self._budget = limits.burst
        self._filled = clock.elapsed()

    def serve(self, places: Mapping[str, Place]) -> None:
        """Take events for these clusters from now on, and show what was kept of them."""
        for cluster, place in places.items():
            if cluster not in self._places:
                place.values.expect(_EVERY_KIND)
                place.values.take(self._memory.readings(cluster))
        self._places = dict(places)

    def take(self, path: str, body: bytes, *, cluster: str = "") -> Answer:
        """Take a request's body that came by somebody who may post.

        Args:
            path: `EVENTS` or `LINEAGE`.
            body: JSON.
            cluster: Which platform, for events that do not say it themselves.
        """
        try:
            with self._lock:  # one request at a time: an id is looked up and kept in one step
                return self._take(self._parsed(path, body), cluster)
        except _Refused as refused:
            return refused.answer
        except AirwardenError as error:
            _log.error("events were not kept", error=str(error))
            said = {"error": "the events could not be kept: send them again"}
            return Answer(503, said, retry_after=10)

    def _parsed(self, path: str, body: bytes) -> list[Mapping[str, Any]]:
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):
            raise _Refused(400, "the body is not JSON") from None
        items = data if isinstance(data, list) else [data]
        if not all(isinstance(item, dict) for item in items):
            raise _Refused(400, "expected an event, or a list of events")
        if len(items) > MAX_BATCH:
            raise _Refused(413, f"more than {MAX_BATCH} events: send them in several requests")
        self._spend(len(items))
        if path == LINEAGE:
            return [{"kind": openlineage.KIND, "event": item} for item in items]
        return items

    def _spend(self, events: int) -> None:
        """Count against the rate: a bucket that fills again over time."""
        now = self._clock.elapsed()
        filled = self._budget + (now - self._filled) * self.limits.rate
        self._budget, self._filled = min(filled, self.limits.burst), now
        if self._budget < events:
            wait = max(1, round((events - self._budget) / self.limits.rate + 0.5))
            raise _Refused(429, "too many events: send them later", retry_after=wait)
        self._budget -= events

    def _take(self, items: Sequence[Mapping[str, Any]], cluster: str) -> Answer:
        understood: list[_Taken] = []
        problems: list[str] = []
        for position, item in enumerate(items):
            where = f"[{position}]" if len(items) > 1 else ""
            try:
                understood.append(self._understood(item, cluster))
            except ValidationError as error:
                self._count(item, cluster, "refused")
                problems += [f"{where}{_sentence(one)}" for one in error.errors(include_url=False)]
            except ValueError as error:
                self._count(item, cluster, "refused")
                problems.append(f"{where}{': ' if where else ''}{error}")
        if problems:
            raise _Refused(422, "nothing was taken", *problems[:_SHOWN])
        return self._kept(understood)

    def _kept(self, events: Sequence[_Taken]) -> Answer:
        # What says nothing that is counted (a run that begins) need not be remembered.
        telling = {event.id for event in events if event.readings}
        known = set(self._memory.known(telling)) if telling else set()
        fresh: dict[str, _Taken] = {}
        repeated: list[_Taken] = []
        for event in events:
            if event.id in known or event.id in fresh:
                repeated.append(event)
            else:
                fresh[event.id] = event
        gauges: dict[str, list[Reading]] = {}
        for event in fresh.values():
            gauges.setdefault(event.cluster, []).extend(
                one for one in event.readings if metric(one.metric).type is MetricType.GAUGE
            )
        if telling - known:
            self._memory.keep(sorted(telling - known), gauges)
        counts = {"accepted": 0, "repeated": len(repeated), "ignored": 0}
        for event in fresh.values():
            taken = self._places[event.cluster].values.take(event.readings)
            outcome = "accepted" if taken else "ignored"
            counts[outcome] += 1
            self._places[event.cluster].values.count_event(event.kind, outcome)
        for event in repeated:
            self._places[event.cluster].values.count_event(event.kind, "repeated")
        return Answer(200, counts)

    def _understood(self, item: Mapping[str, Any], cluster: str) -> _Taken:
        if item.get("kind") == openlineage.KIND:
            if unknown := sorted(item.keys() - {"kind", "event", "cluster"}):
                raise ValueError(
                    f"unknown key {unknown[0]}: an openlineage event has event, cluster"
                )
            run = openlineage.RunEvent.model_validate(item.get("event"))
            named = run.job.namespace if run.job.namespace in self._places else ""
            name = self._cluster(item.get("cluster") or cluster or named)
            at = self._moment(run.eventTime, lenient=True)
            rules = self._places[name].rules
            readings = run.readings(at, lambda dag, tags: labels_of(dag, tags, rules).team)
            return _Taken(run.id, openlineage.KIND, name, readings)
        event = ADAPTER.validate_python(item)
        name = self._cluster(event.cluster or cluster)
        return _Taken(event.id, event.kind, name, event.readings(self._moment(event.time)))

    def _cluster(self, name: object) -> str:
        known = ", ".join(self._places)
        if not name and len(self._places) == 1:
            return next(iter(self._places))
        if not name:
            raise ValueError(f"cluster is missing: one of {known}")
        if not isinstance(name, str) or name not in self._places:
            raise ValueError(f"cluster: {str(name)[:100]!r} is not one of {known}")
        return name

    def _moment(self, time: datetime | None, *, lenient: bool = False) -> float:
        now = self._clock.now().timestamp()
        if time is None:
            return now
        moment = time.timestamp()
        if lenient:
            return min(moment, now)
        if moment > now + AHEAD:
            raise ValueError("time: more than 5 minutes ahead of this clock")
        if moment < now - OLDEST.total_seconds():
            raise ValueError("time: more than 7 days ago")
        return min(moment, now)

    def _count(self, item: Mapping[str, Any], cluster: str, outcome: str) -> None:
        kind = item.get("kind")
        named = item.get("cluster") or cluster
        place = self._places.get(named) if isinstance(named, str) else None
        place = place or next(iter(self._places.values()), None)
        if place is not None:
            known = isinstance(kind, str) and kind in _EVERY_KIND
            place.values.count_event(str(kind) if known else "unknown", outcome)


def _sentence(error: Any) -> str:
    """Say what is wrong with a key, without repeating what was sent."""
    steps = [str(step) for step in error["loc"] if step not in KINDS]
    message = str(error["msg"])[:300]
    return f"{'.'.join(steps)}: {message}" if steps else message
