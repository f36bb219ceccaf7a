"""The exporter: collects in the background, and serves what it last saw.

A collector (`collectors/`, one a file) asks ports and returns metric families; its runner
(`collector.py`) gives it an interval, a deadline and a thread; the snapshot (`snapshot.py`) keeps the
rendered families; the server (`server.py`) joins them at a scrape and never waits for a collector.
"""

from __future__ import annotations

from airwarden.exporters.app import Exporter, ExporterConfig, Reloaded
from airwarden.exporters.collector import Timing
from airwarden.exporters.collectors import NAMES
from airwarden.exporters.collectors.statsd import WANTED as STATSD_NAMES
from airwarden.exporters.failures.desk import FailureDesk
from airwarden.exporters.sources import (
    ClusterSources,
    DagRule,
    FailureOptions,
    FreshnessTarget,
    MappedMetric,
    StatedQuery,
)

__all__ = [
    "NAMES",
    "STATSD_NAMES",
    "ClusterSources",
    "DagRule",
    "Exporter",
    "ExporterConfig",
    "FailureDesk",
    "FailureOptions",
    "FreshnessTarget",
    "MappedMetric",
    "Reloaded",
    "StatedQuery",
    "Timing",
]
