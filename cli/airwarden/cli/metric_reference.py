"""`docs/reference/metrics.md`: every metric with its meaning, its source and what it costs to collect."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Collection, Mapping

from airwarden.core.metrics import SECTIONS, render_reference
from airwarden.exporters import collectors
from airwarden.exporters.costs import COSTS
from airwarden.exporters.emitted import EMITTED

#: Sections whose metrics one collector gives as far as somebody sends or states them.
_WHOLE = {"Business and pipelines": "reported", "Only from a site's own exporters": "mapped"}


def render() -> str:
    """Return the page."""
    return render_reference() + _costs()


def given() -> Mapping[str, Collection[str]]:
    """Return collector → the metrics that it gives."""
    whole = {
        collector: [entry.name for entry in SECTIONS[section]]
        for section, collector in _WHOLE.items()
    }
    return {**EMITTED, **whole}


def _costs() -> str:
    lines = [
        "",
        "## What collecting costs",
        "",
        "One collect of each collector, at its own interval (`exporter.collectors` changes it). The times on a fleet"
        " of 15,000 DAGs stand in [benchmarks](benchmarks.md).",
        "",
        "| collector | every | asks for | gives |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| `{name}` | {every:g} s | {COSTS.get(name, '–')} | {_names(given().get(name, ()))} |"
        for name, every in sorted(intervals().items())
    ]
    return "\n".join(lines) + "\n"


def _names(metrics: Collection[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(metrics)) or "–"


def intervals() -> Mapping[str, float]:
    """Return collector → seconds between two collects, as each declares it."""
    found: dict[str, float] = {}
    for module in pkgutil.iter_modules(collectors.__path__):
        loaded = importlib.import_module(f"{collectors.__name__}.{module.name}")
        for _, one in inspect.getmembers(loaded, inspect.isclass):
            name, interval = getattr(one, "name", None), getattr(one, "interval", None)
            if isinstance(name, str) and isinstance(interval, float):
                found[name] = interval
    return found
