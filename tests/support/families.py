"""What collectors return, as a test compares it."""

from __future__ import annotations

from collections.abc import Sequence

from airwarden.exporters.collector import Collector
from airwarden.exporters.families import Bins, Family

Labels = tuple[str, ...]


def every(families: Sequence[Family], name: str) -> dict[Labels, float]:
    """Return a metric's samples; a histogram's counts."""
    return {
        labels: value.count if isinstance(value, Bins) else value
        for family in families
        if family.metric.name == f"airwarden_{name}"
        for labels, value in family.samples
    }


def nonzero(families: Sequence[Family], name: str) -> dict[Labels, float]:
    """Return a metric's samples that are not 0."""
    return {labels: value for labels, value in every(families, name).items() if value}


def values(collector: Collector, name: str) -> dict[Labels, float]:
    """Collect, and return a metric's samples that are not 0."""
    return nonzero(collector.collect(), name)
