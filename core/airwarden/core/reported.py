"""Values that others report: a number, when it was true, and who said so."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one series, as a source gave it.

    Attributes:
        metric: Its name in the catalogue.
        labels: Values of its labels, in the catalogue's order, `cluster` left out.
        value: In the metric's unit.
        at: When it was true, as Unix time.
        source: Who says so: `events/NAME`, `tags`, `assets`, `sql/NAME`, `promql/NAME`, `openlineage`.
        keep: Seconds after `at` for which it is shown; 0 for the operator's `business.keep`.
    """

    metric: str
    labels: tuple[str, ...]
    value: float
    at: float
    source: str
    keep: float = 0.0
