"""One query of the operator, by SQL or PromQL; what it gives is shown by `reported`.

A query that fails leaves what it gave before, which then shows its age.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from airwarden.core.clock import Clock
from airwarden.core.errors import RejectedError
from airwarden.core.metrics import MetricType, metric
from airwarden.core.reported import Reading
from airwarden.exporters.families import Family, Labels
from airwarden.exporters.reported import ReportedValues
from airwarden.exporters.sources import StatedQuery

#: Rows of one query.
MAX_ROWS = 1_000
_VALUE, _UPDATED = "value", "updated"
_LONGEST = 128
#: Ending of a gauge → its least and its greatest value.
_RANGES = {"_ratio": (0.0, 1.0), "_score": (0.0, 5.0)}


class StatedCollector:
    """Asks the query and hands what it gives to the readings.

    Args:
        query: What to ask, where, how often.
        values: Where the readings are kept.
        clock: Time.
    """

    def __init__(self, query: StatedQuery, values: ReportedValues, clock: Clock) -> None:
        self.name = f"query_{query.name.replace('-', '_')}"
        self.interval = query.interval
        # A connection and a statement have the deadline each, and are cut one second after it.
        self.timeout = 2 * query.timeout + 2.0
        self._query = query
        self._metric = metric(query.metric)
        self._values = values
        self._clock = clock

    def collect(self) -> Sequence[Family]:
        """Ask; return nothing, since `reported` shows it.

        Raises:
            UnavailableError: It did not answer.
            RejectedError: It refused, or gave what is no value of this metric.
        """
        now = self._clock.now().timestamp()
        readings: dict[Labels, Reading] = {}
        for labels, value, at in self._asked(now):
            if labels in readings:
                said = ", ".join(labels) or "no labels"
                raise RejectedError(f"gives several values for {said}: aggregate them")
            readings[labels] = Reading(
                self._metric.name, labels, value, min(at, now), self._query.source
            )
        self._values.state(self._metric.name, self._query.source, list(readings.values()))
        return []

    def _asked(self, now: float) -> list[tuple[Labels, float, float]]:
        query = self._query
        if query.prometheus is not None:
            samples = query.prometheus.query(query.promql)
            found = [
                (self._labels(one.labels), self._number(one.value), one.timestamp)
                for one in samples
            ]
        elif query.database is not None:
            rows = query.database.rows(query.sql, limit=MAX_ROWS + 1)
            found = [self._row(row, now) for row in rows]
        else:
            raise AssertionError("a query has a database or a Prometheus")
        if len(found) > MAX_ROWS:
            raise RejectedError(f"gives more than {MAX_ROWS} rows: aggregate them")
        return found

    def _row(self, row: Mapping[str, Any], now: float) -> tuple[Labels, float, float]:
        wanted = {*self._metric.labels, _VALUE}
        if missing := sorted(wanted - row.keys()):
            raise RejectedError(f"has no column {missing[0]}: it needs {', '.join(sorted(wanted))}")
        if foreign := sorted(row.keys() - wanted - {_UPDATED}):
            raise RejectedError(f"has a column {foreign[0]}, which is no label of the metric")
        labels = {name: row[name] for name in self._metric.labels}
        return self._labels(labels), self._number(row[_VALUE]), _moment(row.get(_UPDATED), now)

    def _labels(self, given: Mapping[str, Any]) -> Labels:
        foreign = given.keys() - {*self._metric.labels, "cluster"}
        if foreign:
            raise RejectedError(f"gives the label {min(foreign)}, which the metric has not")
        return tuple(_text(name, given.get(name)) for name in self._metric.labels)

    def _number(self, given: Any) -> float:
        if isinstance(given, bool) or not isinstance(given, int | float | Decimal):
            raise RejectedError(f"gives a value that is no number, but {type(given).__name__}")
        value = float(given)
        least, most = next(
            (found for end, found in _RANGES.items() if self._metric.name.endswith(end)),
            (-math.inf, math.inf),
        )
        if self._metric.type is MetricType.COUNTER:
            least = 0.0
        if not math.isfinite(value) or not least <= value <= most:
            raise RejectedError(f"gives {value:g}, which is no value of {self._metric.name}")
        return value


def _text(name: str, given: Any) -> str:
    if given is None:
        return "unset"
    text = str(given)
    if not text.isprintable() or len(text) > _LONGEST:
        raise RejectedError(f"gives a {name} that is not printable or longer than {_LONGEST} signs")
    return text


def _moment(given: Any, now: float) -> float:
    """Return when a row was true: its column `updated`, or now."""
    if given is None:
        return now
    if not isinstance(given, datetime):
        raise RejectedError("gives an updated that is no timestamp")
    return (given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp()
