"""The same failure limit as people write it first: for each team alone, no minimum, no grouping."""

from __future__ import annotations

from collections.abc import Mapping

from airwarden.core.durations import format_duration
from airwarden.rules.backtest.evaluate import Evaluator
from airwarden.rules.backtest.grid import Grid
from airwarden.rules.backtest.holding import Active, fired
from airwarden.rules.backtest.replay import RuleSet
from airwarden.rules.backtest.sources import Source
from airwarden.rules.backtest.vectors import Span
from airwarden.rules.pipelines import PLATFORM

_COUNTER = "airwarden_dag_runs_finished_total"
_BLOCK = 2880


def naive_pages(rules: RuleSet, sources: Mapping[str, Source], grid: Grid) -> int | None:
    """Return how many alerts it would have fired, each a page; None where it cannot be told."""
    context = rules.rules.get(PLATFORM.name)
    if context is None or _COUNTER not in sources:
        return None
    over = format_duration(context.over)

    def ended(matcher: str) -> str:
        return f"sum by (cluster, team) (increase({_COUNTER}{{{matcher}}}[{over}]))"

    both = 'state=~"success|failed"'
    failed = 'state="failed"'
    expression = f"{ended(failed)} / {ended(both)} {context.beyond}"
    evaluator = Evaluator(sources, {}, grid.start, grid.step, _BLOCK)
    active = Active()
    for first in range(0, grid.count, _BLOCK):
        span = Span(first, min(_BLOCK, grid.count - first))
        active.add(evaluator.vector(expression, span), first)
        evaluator.forget(first)
    hold = context.hold.total_seconds()
    return len(fired(active, hold, 0.0, grid.step, grid.count, {}))
