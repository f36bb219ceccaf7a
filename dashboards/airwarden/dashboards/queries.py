"""PromQL by small functions, so that every panel filters by the same variables in the same way."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

#: The dashboard's variable for the window of ratios and quantiles (1h, 6h, 1d, 7d).
WINDOW = "$window"

#: What the rules record every minute, because a panel that counted it from every scrape would take seconds
#: at 15,000 DAGs: runs that ended, with their teams and with their types, and the buckets of their schedule
#: delay, per minute; the age of assets in multiples of what it may be; sum and number of their ages.
ENDED_RUNS = "cluster_state_team_tier:airwarden_dag_runs_finished:per_minute"
ENDED_RUNS_BY_TYPE = "cluster_run_type_state_tier_type:airwarden_dag_runs_finished:per_minute"
DELAYS = "cluster_le_team_tier:airwarden_dag_run_schedule_delay_seconds_bucket:per_minute"
DELAYS_OF_TIERS = "cluster_le_tier:airwarden_dag_run_schedule_delay_seconds_bucket:per_minute"
ASSET_AGES = "asset_cluster_team_tier:airwarden_asset_age:ratio"
#: Points of a panel for which more would cost more than they show.
FEW_POINTS = 100
_AGES_SUM = "cluster_team_tier:airwarden_asset_age_seconds:sum"
_AGES_COUNT = "cluster_team_tier:airwarden_asset_age_seconds:count"


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel.

    Attributes:
        expr: PromQL; may use the dashboard's variables.
        legend: Grafana's legend format, such as `{{queue}}`.
        instant: Only the newest value is wanted (tables).
    """

    expr: str
    legend: str = ""
    instant: bool = False


def series(name: str, *variables: str, **matchers: str) -> str:
    """Return a selector for a metric of the catalogue.

    Args:
        name: The metric's full name, with `_bucket`, `_sum` or `_count` where it is a histogram's.
        variables: Which of the dashboard's variables the metric has as labels, beside `cluster`.
        matchers: Further labels; a value that begins with `~` is a regular expression, one that
            begins with `!~` is one that must not match.
    """
    parts = [f'{label}=~"${label}"' for label in ("cluster", *variables)]
    for label, value in matchers.items():
        operator = "!~" if value.startswith("!~") else "=~" if value.startswith("~") else "="
        parts.append(f'{label}{operator}"{value.lstrip("!~")}"')
    return f"{name}{{{','.join(parts)}}}"


def own(name: str, **matchers: str) -> str:
    """Return a selector for a metric of Airwarden itself.

    One that serves all clusters says `airwarden` where others say their cluster.
    """
    return series(name, **matchers).replace('cluster=~"$cluster"', 'cluster=~"$cluster|airwarden"')


def top(number: int, expression: str) -> str:
    """Return the greatest series of an expression: what keeps a panel readable, and cheap to draw."""
    return f"topk({number}, {expression})"


def now(age_of: str, *, by: str) -> str:
    """Return how long ago the latest of timestamps was, in seconds, by labels."""
    return f"time() - max by ({by}) ({age_of})"


def increase(selector: str, *, by: str = "", over: str = WINDOW) -> str:
    """Return how much a counter grew in a window, summed (by the labels named in `by`)."""
    return f"sum {f'by ({by}) ' if by else ''}(increase({selector}[{over}]))"


def rate(selector: str, *, by: str = "") -> str:
    """Return a counter's rate per second at the panel's resolution, summed."""
    return f"sum {f'by ({by}) ' if by else ''}(rate({selector}[$__rate_interval]))"


def quantile(q: float, selector: str, *, by: str = "", over: str = WINDOW) -> str:
    """Return a quantile of a classic histogram over a window.

    Args:
        q: 0–1.
        selector: Selects the `_bucket` series.
        by: Labels to keep beside `le`.
        over: The window.
    """
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q:g}, sum by ({labels}) (rate({selector}[{over}])))"


def counted(selector: str, *, by: str = "", over: str = WINDOW) -> str:
    """Return how many events there were in a window, from how many a minute are recorded every minute."""
    return f"sum {f'by ({by}) ' if by else ''}(sum_over_time({selector}[{over}]))"


def recorded_quantile(q: float, selector: str, *, by: str = "", over: str = WINDOW) -> str:
    """Return `quantile` from what buckets gained, as it is recorded every minute."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q:g}, sum by ({labels}) (sum_over_time({selector}[{over}])))"


def mean_asset_age(*, by: str = "") -> str:
    """Return the mean age of the registered assets, in seconds (by the labels named in `by`)."""
    grouped = f"by ({by}) " if by else ""
    return " / ".join(
        f"sum {grouped}({series(name, 'tier', 'team')})" for name in (_AGES_SUM, _AGES_COUNT)
    )


def most_points(queries: Sequence[Query]) -> int | None:
    """Return how many points a panel asks for at most; None where as many as it has pixels.

    What looks back over a window changes little from one to the next, and each costs a window's samples: a
    month would cost as much as an hour only if there are as many.
    """
    asked = " ".join(query.expr for query in queries if not query.instant)
    return FEW_POINTS if re.search(r"\[([$]window|\d+[hd])\]", asked) else None


def mean(histogram: str, *variables: str, by: str = "", over: str = WINDOW) -> str:
    """Return the mean of a histogram's observations over a window."""
    total = increase(series(f"{histogram}_sum", *variables), by=by, over=over)
    count = increase(series(f"{histogram}_count", *variables), by=by, over=over)
    return f"{total} / {count}"


def constants(label: str, values: dict[str, float]) -> str:
    """Return one series for each entry: its name in `label`, its number as the value."""
    return " or ".join(
        f'label_replace(vector({number:g}), "{label}", "{name}", "", "")'
        for name, number in values.items()
    )
