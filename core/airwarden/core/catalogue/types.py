"""What the catalogue says about one metric."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class MetricType(StrEnum):
    """Prometheus' types that we use; classic histograms only."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric's contract.

    Attributes:
        name: Full name with the `airwarden_` prefix; counters end in `_total`.
        type: See `MetricType`.
        labels: Label names beside `cluster`, which every metric carries.
        help: One sentence, with the unit where the name does not say it.
        source: Where the value comes from.
        buckets: Upper bounds of a histogram, in the metric's unit, without +Inf.
    """

    name: str
    type: MetricType
    labels: tuple[str, ...]
    help: str
    source: str
    buckets: tuple[float, ...] = ()
