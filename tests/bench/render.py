"""How long a page of 90,000 series takes: ours, against prometheus_client's own renderers.

Run as `python tests/bench/render.py [series]`; prints a table, one line a way to render.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import prometheus_client
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from airwarden.adapters.clock import SystemClock
from airwarden.exporters.exposition import page
from airwarden.exporters.families import Labels, gauge
from airwarden.exporters.rendering import Rendering
from airwarden.exporters.snapshot import Snapshot

_REPEATS = 5


def labels(number: int) -> Labels:
    """Return the labels of one of many series of `airwarden_pool_slots`."""
    return (f"team_{number // 100:04}_pool_{number:06}", ("running", "queued")[number % 2])


def ours(series: int) -> Snapshot:
    """Return a snapshot that has been published to once, so that prefixes are kept."""
    snapshot = Snapshot()
    publish(snapshot, series, 0)
    return snapshot


def publish(snapshot: Snapshot, series: int, turn: int) -> None:
    """Publish the same series with other values."""
    samples = {labels(number): number + turn for number in range(series)}
    snapshot.publish("default", "bench", [gauge("airwarden_pool_slots", samples)])


def stock(series: int) -> Any:
    """Return a prometheus_client registry with as many series."""
    registry = prometheus_client.CollectorRegistry()
    slots = prometheus_client.Gauge(
        "airwarden_pool_slots", "Slots", ["cluster", "pool", "state"], registry=registry
    )
    for number in range(series):
        slots.labels("default", *labels(number)).set(number)
    return registry


def timed(action: Callable[[], object]) -> float:
    """Return the median seconds of a few runs."""
    seconds = []
    for _ in range(_REPEATS):
        begun = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)


def main() -> None:
    """Print the table."""
    series = int(sys.argv[1]) if len(sys.argv) > 1 else 90_000
    snapshot, registry = ours(series), stock(series)
    generate_openmetrics: Any = openmetrics.generate_latest  # untyped there
    turns = iter(range(1, 1000))
    rendering = Rendering(
        lambda openmetrics: page(snapshot.blocks(), openmetrics=openmetrics), SystemClock()
    )
    rendering.get(True, True)

    def publish_and_join() -> None:
        publish(snapshot, series, next(turns))
        rendering.refresh()

    rows = {
        "airwarden: publish, join, gzip (once a second)": publish_and_join,
        "airwarden: scrape, gzip": lambda: rendering.get(True, True),
        "prometheus_client: text": lambda: generate_latest(registry),
        "prometheus_client: OpenMetrics": lambda: generate_openmetrics(registry),
    }
    print(f"{series} series, median of {_REPEATS}")
    for name, action in rows.items():
        print(f"{timed(action) * 1000:10.1f} ms  {name}")


if __name__ == "__main__":
    main()
