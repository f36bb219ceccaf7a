"""What one receiver hears of one group of alerts, from flush to flush.

Of hundreds of alerts that fire for weeks a few begin or end between two flushes: what changes is followed, and what
stays takes no time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from airwarden.rules.backtest.vectors import Labels, Signature, signature
from airwarden.rules.routing import Node


@dataclass(frozen=True, slots=True)
class Sent:
    """An alert as Alertmanager has it.

    Attributes:
        labels: All of them.
        starts, ends: When it fires; infinity where it does not end.
        origin: Place of the `Firing` that it is.
        key: What tells alerts apart.
    """

    labels: Labels
    starts: float
    ends: float
    origin: int
    key: Signature = ()

    @classmethod
    def of(cls, labels: Labels, starts: float, ends: float, origin: int) -> Sent:
        """Return an alert with its key."""
        return cls(labels, starts, ends, origin, signature(labels))


@dataclass(frozen=True, slots=True)
class Notification:
    """One notification.

    Attributes:
        at: When.
        kind: `first`, `more` (another alert joined, or one of several ended), `repeat` or `resolved`.
        firing: How many of the alerts in it fire.
    """

    at: float
    kind: str
    firing: int


@dataclass(slots=True)
class Episode:
    """What one receiver hears of one group, from its first notification until all is over.

    Attributes:
        route: The route that was taken.
        group: The labels that the alerts have in common.
        alerts: Every alert that it told of.
    """

    route: Node
    group: tuple[tuple[str, str], ...]
    notifications: list[Notification] = field(default_factory=list)
    alerts: dict[int, Sent] = field(default_factory=dict)
    ended: float | None = None

    @property
    def began(self) -> float:
        """When the first notification was sent."""
        return self.notifications[0].at

    @property
    def told(self) -> int:
        """How many notifications of something firing were sent."""
        return sum(notification.kind != "resolved" for notification in self.notifications)


class Log:
    """What a receiver was told of a group, what fires now, and what that makes of the next flush.

    Args:
        node: The route that the group takes.
        group: The labels that its alerts have in common.
        sends_resolved: Whether the receiver is told of ends.
    """

    def __init__(self, node: Node, group: Signature, *, sends_resolved: bool) -> None:
        self.episodes: list[Episode] = []
        self._node = node
        self._group = group
        self._sends_resolved = sends_resolved
        self._at = math.inf
        self._resolved: frozenset[Signature] = frozenset()
        self._firing: dict[Signature, Sent] = {}
        # Told as firing are those that fire, without the fresh ones and with the gone ones.
        self._fresh: set[Signature] = set()
        self._gone: set[Signature] = set()
        self._unseen: dict[Signature, Sent] = {}

    @property
    def told_at(self) -> float:
        """When something was told last; infinity if nothing that fires was."""
        return self._at if self._told() else math.inf

    @property
    def fires(self) -> bool:
        """Whether anything does that is not inhibited."""
        return bool(self._firing)

    def begin(self, alert: Sent) -> None:
        """Take an alert as firing; it takes the place of its former self."""
        before = self._firing.get(alert.key)
        if before is alert:
            return
        self._firing[alert.key] = alert
        self._unseen[alert.key] = alert
        if before is None:
            if alert.key in self._gone:
                self._gone.discard(alert.key)
            else:
                self._fresh.add(alert.key)

    def end(self, key: Signature) -> None:
        """Take what tells alerts apart as not firing, because it ended or is inhibited."""
        if self._firing.pop(key, None) is None:
            return
        self._unseen.pop(key, None)
        if key in self._fresh:
            self._fresh.discard(key)
        else:
            self._gone.add(key)

    def flush(
        self, now: float, resolved: frozenset[Signature], places: Mapping[Signature, Sequence[int]]
    ) -> None:
        """Send, if what is there differs from what was told, or was told long ago.

        Args:
            now: When.
            resolved: What ended since the last flush.
            places: Where each that fires stands among the alerts, first of all the first one.
        """
        kind = self._due(now, resolved)
        if not kind:
            return
        self._at, self._resolved = now, resolved
        self._fresh.clear()
        self._gone.clear()
        added = self._unseen
        if kind == "first":
            added = self._firing
            self.episodes.append(Episode(self._node, self._group))
        if not self.episodes:
            return
        episode = self.episodes[-1]
        for key in sorted(added, key=lambda key: places[key][0]):
            episode.alerts[added[key].origin] = added[key]
        self._unseen.clear()
        if kind == "resolved":
            episode.ended = now
            if not self._sends_resolved:
                return
        episode.notifications.append(Notification(now, kind, len(self._firing)))

    def _told(self) -> bool:
        """Return whether something was told as firing, and not as over since."""
        return len(self._firing) - len(self._fresh) + len(self._gone) > 0

    def _due(self, now: float, resolved: frozenset[Signature]) -> str:
        if self._fresh:
            return "more" if self._told() else "first"
        if not self._firing:
            return "resolved" if self._told() else ""
        if self._sends_resolved and not resolved <= self._resolved:
            return "more"
        return "repeat" if self._at < now - self._node.waits[2] else ""
