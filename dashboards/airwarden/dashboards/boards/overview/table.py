"""The table of targets: what is, what should be, and what was a day before.

Grafana gives a column one unit, so each row's numbers are scaled to the unit that the row names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from airwarden.dashboards.boards.overview.targets import Target, Unsourced, measured, unsourced
from airwarden.dashboards.config import DashboardConfig
from airwarden.dashboards.layout import Section, Sized
from airwarden.dashboards.names import OBJECTIVES
from airwarden.dashboards.panels import GREEN, RED, at_least, override, table, value_names
from airwarden.dashboards.queries import Query

#: Grafana's unit → the one that people read, and what to multiply by.
_SCALES = {
    "percentunit": ("%", 100.0),
    "short": ("", 1.0),
    "none": ("", 1.0),
    "bps": ("Gbit/s", 1e-9),
    "currencyUSD": ("USD", 1.0),
}
_ABSENT = "no source configured"


@dataclass(frozen=True, slots=True)
class _Row:
    """One line: `expr` is None where it has no source, and `source` then says how to add one.

    `absent` is the source's words where only what `expr` gives can tell whether there is one.
    """

    name: str
    unit: str
    scale: float
    goal: float
    upwards: bool
    expr: str | None
    source: str
    absent: str = ""

    def labelled(self, expression: str) -> str:
        """Return an expression's one series under this line's labels."""
        named = f'label_replace({expression}, "target", "{self.name}", "", "")'
        return f'label_replace({named}, "unit", "{self.unit}", "", "")'


def _scale(unit: str, goal: float) -> tuple[str, float]:
    if unit != "s":
        return _SCALES[unit]
    if goal >= 3600:
        return "h", 1 / 3600
    if goal >= 60:
        return "min", 1 / 60
    return ("s", 1.0) if goal >= 1 else ("ms", 1000.0)


def _rows(config: DashboardConfig) -> Sequence[_Row]:
    return [
        *map(_measured, measured()),
        *(_other(target, config.sources.get(target.key, target.ours)) for target in unsourced()),
    ]


def _measured(target: Target) -> _Row:
    unit, scale = _scale(target.unit, target.goal)
    return _Row(
        target.title,
        unit,
        scale,
        target.goal,
        target.judge is at_least,
        target.current[target.judged].expr,
        "Airwarden",
        target.source.absent if target.source else "",
    )


def _other(target: Unsourced, expression: str) -> _Row:
    unit, scale = _scale(target.unit, target.goal)
    source = "dashboards.sources" if expression and expression != target.ours else "Airwarden"
    return _Row(
        target.title,
        unit,
        scale,
        target.goal,
        target.judge is at_least,
        expression or None,
        source if expression else f"{_ABSENT}: dashboards.sources.{target.key}",
    )


def _each(rows: Sequence[_Row], expression: Callable[[_Row], str | None]) -> Query:
    found = [row.labelled(text) for row in rows if (text := expression(row)) is not None]
    return Query(" or ".join(found), instant=True)


def _value(row: _Row, offset: str = "") -> str | None:
    """Return the line's number in its unit; a ratio of nothing to nothing is left out."""
    if row.expr is None:
        return None
    # The number a day before needs the expression at that time, whatever selectors it has.
    expression = f"last_over_time(({row.expr})[15m:5m] offset {offset})" if offset else row.expr
    return f"{row.scale:g} * avg({expression}) > -Inf"


def _met(row: _Row) -> str | None:
    if row.expr is None:
        return None
    operator = ">=" if row.upwards else "<="
    return f"(avg({row.expr}) > -Inf) {operator} bool {row.goal:g}"


def _goal(row: _Row) -> str:
    goal, wanted = f"vector({row.goal * row.scale:g})", "at least" if row.upwards else "at most"
    source = f'label_replace({goal}, "source", "{row.source}", "", "")'
    if row.absent:
        without = f'label_replace({goal}, "source", "{row.absent}", "", "")'
        source = f"({source} and on () {row.expr} or {without} unless on () {row.expr})"
    return f'label_replace({source}, "wanted", "{wanted}", "", "")'


def table_of_targets(config: DashboardConfig) -> Section:
    """Return the profile's targets as one table."""
    rows = _rows(config)
    return Section(
        "Targets",
        (
            Sized(
                table(
                    "Targets of the platform",
                    "What is (in the window), what should be, whether it is met, and what was a "
                    "day before. A line without a source names the setting that gives it one: any "
                    "PromQL over your own series.",
                    "none",
                    [
                        _each(rows, _value),
                        _each(rows, _goal),
                        _each(rows, _met),
                        _each(rows, lambda row: _value(row, "1d")),
                    ],
                    columns={
                        "target": "Target",
                        "Value #A": "Now",
                        "wanted": "Wanted",
                        "Value #B": "Goal",
                        "unit": "Unit",
                        "Value #C": "Met",
                        "Value #D": "A day before",
                        "source": "Source",
                    },
                    overrides=[
                        override("Now", decimals=2),
                        override("Goal", decimals=2),
                        override("A day before", decimals=2),
                        override(
                            "Met",
                            mappings=value_names({0: ("no", RED), 1: ("yes", GREEN)}),
                            custom_cellOptions={"type": "color-text"},
                        ),
                    ],
                    no_value="–",
                    more=OBJECTIVES,
                ),
                24,
                14,
            ),
        ),
    )
