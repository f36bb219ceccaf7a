"""What collectors return, as a test compares it."""

from __future__ import annotations

from collections.abc import Sequence

from airwarden.adapters.clock import SystemClock
from airwarden.core.ports import MetadataDatabase
from airwarden.exporters.collector import Collector
from airwarden.exporters.families import Bins, Family
from airwarden.exporters.live_tasks import LiveTasks

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


def totals(families: Sequence[Family], name: str) -> dict[Labels, float]:
    """Return the sums of a histogram's values that are not 0."""
    return {
        labels: value.total
        for family in families
        if family.metric.name == f"airwarden_{name}"
        for labels, value in family.samples
        if isinstance(value, Bins) and value.total
    }


def values(collector: Collector, name: str) -> dict[Labels, float]:
    """Collect, and return a metric's samples that are not 0."""
    return nonzero(collector.collect(), name)


def live_now(database: MetadataDatabase) -> LiveTasks:
    """Return the unfinished tasks as collectors share them, read anew at each look."""
    return LiveTasks(database, SystemClock(), fresh=0.0)
