"""Series that were measured: what Prometheus kept of the metrics that Airflow's history does not tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from airwarden.rules.backtest.grid import Grid
from airwarden.rules.backtest.needs import needs
from airwarden.rules.backtest.replay import RuleSet
from airwarden.rules.backtest.sources import Stored
from airwarden.rules.backtest.tree import parsed
from airwarden.rules.backtest.vectors import Labels, NotJudgedError, Signature, signature

#: Most series of one metric: more would be single DAGs or tasks.
_MOST = 2000


def wanted(sets: Iterable[RuleSet], known: Iterable[str]) -> list[str]:
    """Return the metrics that rules select and that are not known otherwise."""
    there = set(known)
    found: set[str] = set()
    for rules in sets:
        recorded = (rule.expr for own in rules.recordings.values() for rule in own)
        for expression in (*(a.expr for a in rules.alerts), *recorded):
            own = needs(parsed(expression), there, rules.recordings)
            found |= own.missing | own.without
    return sorted(name for name in found if name and not name.startswith("ALERTS"))


def stored(
    grid: Grid, pieces: Iterable[tuple[Mapping[str, str], int, list[float]]]
) -> Stored | None:
    """Return one metric's samples; None where Prometheus has none.

    Args:
        grid: The evaluations.
        pieces: Labels, place from the grid's very first evaluation on, consecutive values.

    Raises:
        NotJudgedError: It has too many series.
    """
    labels: list[Labels] = []
    rows: dict[Signature, NDArray[np.float32]] = {}
    for own, begin, values in pieces:
        # A restart of the exporter elsewhere is no other platform.
        key = signature(own)
        if key not in rows:
            if len(rows) >= _MOST:
                raise NotJudgedError(f"more than {_MOST} series")
            rows[key] = np.full(grid.whole.count, np.nan, dtype=np.float32)
            labels.append(own)
        rows[key][begin : begin + len(values)] = values[: grid.whole.count - begin]
    if not rows:
        return None
    # What an instant query saw is seen at the evaluation itself.
    return Stored(labels, np.stack(list(rows.values())), grid.whole.first, phase=0.0)
