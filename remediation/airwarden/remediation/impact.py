"""Who is affected, as far as it is measured: read just before people are told, never before acting."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from threading import Lock

import structlog

from airwarden.core.errors import AirwardenError
from airwarden.core.ports import Prometheus
from airwarden.remediation.calls import Calls
from airwarden.remediation.decide.view import IncidentView
from airwarden.remediation.world import World

_log = structlog.get_logger(__name__)
#: Seconds that a measure may take, all its questions together.
WITHIN = 3.0
#: Incidents whose last measure is remembered: what is over is told with what it was.
_REMEMBERED = 200
#: Tiers in the order in which they matter; others follow by name.
_TIERS = ("critical", "high", "standard", "low")


class Impact:
    """Measures who is affected by an incident.

    Args:
        worlds: The clusters' ports as configured now.
        calls: Give a measure its deadline: a page does not wait for it longer than that.
    """

    def __init__(self, worlds: Callable[[], Mapping[str, World]], calls: Calls) -> None:
        self._worlds = worlds
        self._calls = calls
        self._last: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        self._lock = Lock()

    def measured(self, view: IncidentView) -> IncidentView:
        """Return the view with who is affected; as it is where that cannot be read. Raises nothing of ours."""
        with self._lock:
            before = self._last.get(view.dedup_key, ())
        if view.state.terminal:
            return replace(view, affected=before)
        world = self._worlds().get(view.cluster)
        prometheus = world.prometheus if world is not None else None
        try:
            found = tuple(_named(view)) or tuple(
                self._calls.run(lambda: _measured(prometheus, view), deadline=WITHIN)
            )
        except AirwardenError as error:
            _log.info("who is affected cannot be read", incident=view.incident_id, error=str(error))
            found = ()
        found = found or before
        with self._lock:
            self._last[view.dedup_key] = found
            self._last.move_to_end(view.dedup_key)
            while len(self._last) > _REMEMBERED:
                self._last.popitem(last=False)
        return replace(view, affected=found)


def _named(view: IncidentView) -> list[str]:
    """Return what the alerts name themselves: DAGs with their tiers."""
    dags = {
        one.labels["dag_id"]: one.labels.get("tier", "")
        for one in view.alerts
        if one.labels.get("dag_id")
    }
    if not dags:
        return []
    counted: dict[str, float] = {}
    for tier in dags.values():
        counted[tier or "no tier"] = counted.get(tier or "no tier", 0) + 1
    some = ", ".join(sorted(dags)[:3]) + (", …" if len(dags) > 3 else "")
    return [f"{len(dags)} DAG{'s' if len(dags) > 1 else ''} ({_tiers(counted)}): {some}"]


def _measured(prometheus: Prometheus | None, view: IncidentView) -> list[str]:
    """Return what is measured: the DAGs of the platform, its open and its late runs by tier, waiting tasks."""
    if prometheus is None:
        return []
    where = f'cluster="{_quoted(view.cluster)}"'
    team = view.labels.get("team")
    whose = f'{where},team="{_quoted(team)}"' if team else where
    lines: list[str] = []
    late = _by_tier(prometheus, f"airwarden_dag_runs_overdue{{{whose}}}")
    still = _by_tier(prometheus, f'airwarden_dag_runs{{{whose},state=~"running|queued"}}')
    if late:
        lines.append(f"late already: {_total(late)} ({_tiers(late)})")
    if still:
        lines.append(f"open: {_total(still)} ({_tiers(still)})")
    for label in ("queue", "pool"):
        if name := view.labels.get(label):
            match = f'{where},{label}="{_quoted(name)}",state=~"queued|scheduled|running"'
            tasks = _value(prometheus, f"sum(airwarden_task_instances{{{match}}})")
            lines.insert(0, f"{tasks:,.0f} unfinished tasks of {label} {name}")
    if not team:
        dags = _value(prometheus, f'sum(airwarden_dags{{{where},status="active"}})')
        if dags:
            lines.insert(0, f"up to {dags:,.0f} active DAGs")
    return lines


def _by_tier(prometheus: Prometheus, selector: str) -> dict[str, float]:
    samples = prometheus.query(f"sum by (tier) ({selector}) > 0")
    return {one.labels.get("tier") or "no tier": one.value for one in samples}


def _value(prometheus: Prometheus, expression: str) -> float:
    samples = prometheus.query(expression)
    return samples[0].value if samples else 0.0


def _total(counted: Mapping[str, float]) -> str:
    total = sum(counted.values())
    return f"{total:,.0f} DAG run{'s' if total != 1 else ''}"


def _tiers(counted: Mapping[str, float]) -> str:
    rank = {tier: number for number, tier in enumerate(_TIERS)}
    ordered = sorted(counted.items(), key=lambda one: (rank.get(one[0], len(rank)), one[0]))
    return ", ".join(f"{number:,.0f} {tier}" for tier, number in ordered)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
