"""The first page: how each platform is, what waits for a person, what fires, what is being done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airwarden.core.alerts import Severity
from airwarden.remediation.console import reads
from airwarden.remediation.console.desk import Desk, Pages
from airwarden.remediation.console.gauges import Gauges, Measured
from airwarden.remediation.console.web import Answer, Asked

#: Incidents that ended last, as they are shown below.
_ENDED = 6
#: Components that the alerts speak of and no process stands for, in the order in which they are shown.
_PARTS = ("queue", "worker", "database", "broker", "dependency", "pipelines", "data", "airwarden")
#: An alert's component → the tile that shows it.
_TILES = {"worker": "workers"}


@dataclass(frozen=True, slots=True)
class Tile:
    """One component of one cluster.

    Attributes:
        mood: `good`, `warning`, `critical`, or `unknown` where nothing tells.
        says: In a few words.
    """

    name: str
    mood: str
    says: str


@dataclass(frozen=True, slots=True)
class Platform:
    """One cluster at one glance."""

    cluster: str
    mood: str
    says: str
    tiles: Sequence[Tile]
    measured: Measured
    airflow: str


class Now(Pages):
    """The first page.

    Args:
        desk: See `Desk`.
        gauges: What the platforms measure.
    """

    def __init__(self, desk: Desk, gauges: Gauges) -> None:
        super().__init__(desk)
        self._gauges = gauges

    def show(self, asked: Asked) -> Answer:
        """Answer `/`."""
        worlds, terms = self.desk.parts.worlds(), self.desk.terms()
        with self.desk.parts.journal.read() as tx:
            firing = reads.firing(tx)
            opened = reads.open_incidents(tx)
            platforms = [
                _platform(name, firing, self._gauges.of(world), terms.airflow.get(name, ""))
                for name, world in sorted(worlds.items())
            ]
            return self.page(
                asked,
                "now.html",
                tx,
                title="Now",
                platforms=platforms,
                waiting=reads.waiting(tx),
                firing=firing,
                opened=opened,
                ended=reads.ended_incidents(tx, _ENDED),
                words=reads.last_words(tx, opened),
                leads=self.desk.parts.leadership.leads,
            )


def _platform(cluster: str, firing: reads.Firing, measured: Measured, airflow: str) -> Platform:
    found = {
        _TILES.get(what, what): counts
        for (where, what), counts in firing.components.items()
        if where == cluster
    }
    names = dict.fromkeys([*measured.up, *(_TILES.get(one, one) for one in _PARTS), *sorted(found)])
    tiles = [
        _tile(name, found.get(name, {}), measured.up.get(name))
        for name in names
        if name in found or name in measured.up or (name in _PARTS and measured.up)
    ]
    critical = sum(one.get(Severity.CRITICAL, 0) for one in found.values())
    warning = sum(one.get(Severity.WARNING, 0) for one in found.values())
    if critical:
        mood, says = "critical", f"{critical} critical"
    elif warning or any(tile.mood in ("warning", "critical") for tile in tiles):
        mood, says = "warning", f"{warning} warning" if warning else "degraded"
    elif measured.why:
        mood, says = "unknown", "nothing fires"
    else:
        mood, says = "good", "healthy"
    return Platform(cluster, mood, says, tiles, measured, airflow)


def _tile(name: str, fires: Mapping[Severity, int], up: tuple[int, int] | None) -> Tile:
    mood = "good"
    if fires.get(Severity.CRITICAL) or (up is not None and up[0] == 0):
        mood = "critical"
    elif fires.get(Severity.WARNING) or (up is not None and up[0] < up[1]):
        mood = "warning"
    said = [f"{up[0]} of {up[1]} up"] if up is not None else []
    if total := sum(fires.values()):
        said.append(f"{total} alert{'s' if total > 1 else ''}")
    return Tile(name, mood, ", ".join(said) or "quiet")
