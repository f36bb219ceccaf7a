"""What the platform measures now, for the first page: asked of Prometheus beside the pages, never by one."""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from airwarden.core.errors import AirwardenError
from airwarden.core.platform import Sample
from airwarden.remediation.case import Parts
from airwarden.remediation.console.render import plain
from airwarden.remediation.world import World

#: Seconds for which an answer counts as new, and that one may take.
_FRESH, _DEADLINE = 10.0, 6.0
_UP, _WORKER = "airwarden_component_up", "airwarden_celery_worker_up"
_WAITING, _TASKS = "airwarden_celery_queue_messages", "airwarden_task_instances"
_DELAY, _PROBE = "airwarden_scheduler_lag_seconds", "airwarden_db_probe_last_seconds"
_CONNECTIONS = "airwarden_db_connection_utilization_ratio"
_NAMES = (_UP, _WORKER, _WAITING, _TASKS, _DELAY, _PROBE, _CONNECTIONS)
#: In the order in which work goes through them.
_COMPONENTS = ("scheduler", "dag-processor", "triggerer", "api-server")


@dataclass(frozen=True, slots=True)
class Measured:
    """One cluster's numbers.

    Attributes:
        up: Component → (how many work, how many there are), in the order of the work.
        values: Name and value, in words.
        at: When; None before the first answer.
        why: Why there is no answer, or empty.
    """

    up: Mapping[str, tuple[int, int]]
    values: Sequence[tuple[str, str]]
    at: datetime | None = None
    why: str = ""


class Gauges:
    """Keeps the last answer of each cluster, and asks again while somebody looks.

    Args:
        parts: The clusters' ports, and how they are called.
        elapsed: Seconds of a clock that only goes forward.
    """

    def __init__(self, parts: Parts, elapsed: Callable[[], float]) -> None:
        self._parts, self._elapsed = parts, elapsed
        self._mutex = threading.Lock()
        self._kept: dict[str, tuple[float, Measured]] = {}
        self._asking: set[str] = set()

    def of(self, world: World) -> Measured:
        """Return the last answer; an older one is being renewed meanwhile."""
        if world.prometheus is None:
            return Measured({}, (), why="no Prometheus is configured")
        with self._mutex:
            at, kept = self._kept.get(world.cluster, (float("-inf"), Measured({}, ())))
            if self._elapsed() - at > _FRESH and world.cluster not in self._asking:
                self._asking.add(world.cluster)
                threading.Thread(
                    target=self._ask, args=(world,), name="console-gauges", daemon=True
                ).start()
        return kept

    def _ask(self, world: World) -> None:
        found: Measured | None = None
        try:
            prometheus = world.prometheus
            assert prometheus is not None  # noqa: S101 - asked by `of`
            cluster = world.cluster.replace("\\", "\\\\").replace('"', '\\"')
            query = f'{{__name__=~"{"|".join(_NAMES)}",cluster="{cluster}"}}'
            samples = self._parts.calls.run(
                lambda: prometheus.query(query), deadline=_DEADLINE, key=("console", cluster)
            )
            found = read(samples, world.clock.now())
        except AirwardenError as error:
            found = Measured({}, (), why=plain(str(error)))
        finally:
            with self._mutex:
                self._asking.discard(world.cluster)
                if found is not None:
                    self._kept[world.cluster] = (self._elapsed(), found)


def read(samples: Sequence[Sample], at: datetime) -> Measured:
    """Return what samples say in words."""
    by_name: dict[str, list[Sample]] = defaultdict(list)
    for one in samples:
        if not math.isnan(one.value):
            by_name[one.labels.get("__name__", "")].append(one)
    if not by_name:
        return Measured({}, (), at, "Prometheus has no series of this cluster")
    counted: dict[str, list[bool]] = defaultdict(list)
    for one in by_name[_UP]:
        counted[one.labels.get("component", "?")].append(one.value > 0)
    for one in by_name[_WORKER]:
        counted["workers"].append(one.value > 0)
    order = [*_COMPONENTS, *sorted(set(counted) - {*_COMPONENTS, "workers"}), "workers"]
    return Measured(
        up={name: (sum(counted[name]), len(counted[name])) for name in order if counted[name]},
        values=tuple(_values(by_name)),
        at=at,
    )


def _values(by_name: Mapping[str, Sequence[Sample]]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if tasks := by_name.get(_TASKS):
        for state in ("running", "queued"):
            count = sum(one.value for one in tasks if one.labels.get("state") == state)
            found.append((f"tasks {state}", f"{count:,.0f}"))
    if waiting := by_name.get(_WAITING):
        found.append(("messages in queues", f"{sum(one.value for one in waiting):,.0f}"))
    if delay := by_name.get(_DELAY):
        found.append(("scheduler lag", seconds(max(one.value for one in delay))))
    if probe := by_name.get(_PROBE):
        found.append(("database answers in", seconds(max(one.value for one in probe))))
    if used := by_name.get(_CONNECTIONS):
        found.append(("connections used", f"{max(one.value for one in used):.0%}"))
    return found


def seconds(value: float) -> str:
    """Return seconds as people read them: `4 ms`, `1.2 s`, `3 min`."""
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 100:
        return f"{value:.1f} s"
    return f"{value / 60:.0f} min"
