"""The check on whatever Prometheus measures: for playbooks that operators write."""

from __future__ import annotations

import math
from collections.abc import Mapping
from string import Template
from typing import Any

from airwarden.core.errors import AirwardenError, UnavailableError
from airwarden.core.platform import Sample
from airwarden.core.ports import Prometheus
from airwarden.remediation.checks.base import Reading, Verdict
from airwarden.remediation.world import Subject, World

#: Seconds: three scrapes of a minute's interval may not be missing at once.
_FRESH = 120.0


class Metric:
    """True where a PromQL query's value is above `above`, or below `below`.

    Parameters:
        query: Must give exactly one sample. `$NAME` stands for the alert's label of that name, as the
            text within a PromQL string: `up{job="x",instance="$instance"}`.
        above, below: One of them, or both for a value outside the two.
        fresh: Seconds that the sample, and the answer itself, may be old (120).

    No sample, several, NaN, infinity, and a value that is too old are unreadable: neither healthy nor sick.
    """

    name = "metric"
    needs = frozenset({"prometheus"})

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Ask for the value, and for its age by Prometheus' own clock."""
        if world.prometheus is None:
            return Reading(Verdict.UNKNOWN, "no Prometheus is configured")
        if "query" not in parameters or not {"above", "below"} & parameters.keys():
            return Reading(Verdict.UNKNOWN, "the check needs a query, and above or below")
        try:
            above = float(parameters.get("above", math.inf))
            below = float(parameters.get("below", -math.inf))
            fresh = float(parameters.get("fresh", _FRESH))
        except (TypeError, ValueError):
            return Reading(Verdict.UNKNOWN, "above, below and fresh have to be numbers")
        try:
            query = _filled(str(parameters["query"]), subject.labels)
            sample = _only(world.prometheus, query)
            age = abs(world.clock.now().timestamp() - sample.timestamp)
            if age > fresh:
                raise UnavailableError(f"the answer is {age:.0f} s old")
            _require_fresh(world.prometheus, query, fresh)
        except AirwardenError as error:
            return Reading(Verdict.UNKNOWN, f"the metric cannot be read: {error}")
        beyond = sample.value > above or sample.value < below
        verdict = Verdict.TRUE if beyond else Verdict.FALSE
        return Reading(verdict, f"{query} is {sample.value:g}", {"value": sample.value})


def _filled(query: str, labels: Mapping[str, str]) -> str:
    try:
        return Template(query).substitute({name: _quoted(text) for name, text in labels.items()})
    except (KeyError, ValueError) as error:
        raise UnavailableError(f"the alert has no label for {error} in its query") from None


def _quoted(text: str) -> str:
    """Return a label's value as it stands within a PromQL string: it ends that string nowhere."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\'").replace("\n", "\\n")


def _only(prometheus: Prometheus, query: str) -> Sample:
    samples = prometheus.query(query)
    if len(samples) != 1:
        raise UnavailableError(f"{query} gives {len(samples)} samples instead of one")
    (sample,) = samples
    if not math.isfinite(sample.value):
        raise UnavailableError(f"{query} is {sample.value}")
    return sample


def _require_fresh(prometheus: Prometheus, query: str, fresh: float) -> None:
    """Refuse a series that is not written any more: Prometheus gives its last value for five minutes."""
    # Of a selector the time of its sample; of what is calculated from several, the time of asking.
    written = _only(prometheus, f"timestamp({query})")
    age = written.timestamp - written.value
    if age > fresh:
        raise UnavailableError(f"{query} was last written {age:.0f} s ago")
