"""Which notifications Alertmanager would have sent: routed, grouped, inhibited, repeated as it does.

Groups meet only in inhibition, which depends on what fires when and not on what was sent; so each group is
followed for itself. Times are seconds from the first evaluation.
"""

from __future__ import annotations

import bisect
import heapq
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from airwarden.rules.backtest.episodes import Episode, Log, Sent
from airwarden.rules.backtest.vectors import Signature, signature
from airwarden.rules.routing import Condition, Node, parse_conditions, parse_route

#: Alertmanager drops a group that has become empty within this.
_SWEEP = 30.0
#: Prometheus sends an alert again after each minute, and one that ended for a quarter of an hour.
_RESENT, _RESOLVED = 60.0, 900.0


class Calendar(Protocol):
    """Says whether a moment lies in a named time interval."""

    def __call__(self, name: str, moment: float) -> bool:
        """Return whether it does; `moment` is in seconds from the first evaluation."""
        ...


def _never(name: str, moment: float) -> bool:
    del name, moment
    return False


#: A route's place, and the labels that its group has in common.
_Group: TypeAlias = tuple[str, Signature]


@dataclass(slots=True)
class Batch:
    """Alerts, sorted by what they take part in.

    Attributes:
        names: Of the alerts.
        groups: Route and group → the alerts in it.
        causes: Inhibition, and what must be equal → the alerts that inhibit so.
    """

    names: set[str] = field(default_factory=set)
    groups: dict[_Group, tuple[Node, list[Sent]]] = field(default_factory=dict)
    causes: dict[tuple[int, Signature], list[Sent]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Inhibition:
    source: tuple[Condition, ...]
    target: tuple[Condition, ...]
    equal: tuple[str, ...]


class Alertmanager:
    """One configuration of Alertmanager.

    Args:
        config: As its YAML reads.
        calendar: Its time intervals; without one none is in force.

    Raises:
        WrongInputError: It is not a configuration.
    """

    def __init__(self, config: Mapping[str, Any], calendar: Calendar = _never) -> None:
        self.root = parse_route(config.get("route") or {})
        self._calendar = calendar
        self._inhibitions = [
            _Inhibition(
                parse_conditions(rule, "source", f"inhibit_rules[{number}]"),
                parse_conditions(rule, "target", f"inhibit_rules[{number}]"),
                tuple(rule.get("equal") or ()),
            )
            for number, rule in enumerate(config.get("inhibit_rules") or ())
        ]
        self._resolves = {
            str(receiver["name"]): _sends_resolved(receiver)
            for receiver in config.get("receivers") or ()
        }
        self._taken: dict[Signature, tuple[tuple[_Group, Node], ...]] = {}
        self._sides = _Sides(self._inhibitions)

    def episodes(self, alerts: Sequence[Sent], until: float, about: str = "") -> list[Episode]:
        """Return what would have been sent of these alerts, in order of time.

        Args:
            alerts: All that fired.
            until: Where the past ends.
            about: Only groups with this alert in them; empty for all.
        """
        return self.told_of([self.batch(alerts)], until, about)

    def batch(self, alerts: Sequence[Sent]) -> Batch:
        """Sort alerts by what they take part in; worth keeping where others are told of beside them."""
        found = Batch()
        for alert in alerts:
            found.names.add(alert.labels.get("alertname", ""))
            for key, node in self._groups(alert):
                found.groups.setdefault(key, (node, []))[1].append(alert)
            for side in self._sides.sources(alert):
                found.causes.setdefault(side, []).append(alert)
        return found

    def told_of(self, batches: Sequence[Batch], until: float, about: str = "") -> list[Episode]:
        """Return the same as `episodes` of all that the batches hold."""
        muting = _Muting(self._sides, batches)
        wanted = {
            key: node
            for batch in batches
            for key, (node, alerts) in batch.groups.items()
            if not about
            or (about in batch.names and any(a.labels.get("alertname") == about for a in alerts))
        }
        found: list[Episode] = []
        for key, node in wanted.items():
            own = [a for batch in batches if key in batch.groups for a in batch.groups[key][1]]
            found += self._follow(node, key[1], own, muting, until)
        return sorted(found, key=lambda episode: episode.began)

    def _groups(self, alert: Sent) -> tuple[tuple[_Group, Node], ...]:
        if alert.key not in self._taken:
            nodes = self.root.match(alert.labels)
            self._taken[alert.key] = tuple(
                ((node.place, node.group(alert.labels)), node) for node in nodes
            )
        return self._taken[alert.key]

    def _follow(
        self, node: Node, labels: Signature, alerts: list[Sent], muting: _Muting, until: float
    ) -> list[Episode]:
        """Follow one group through all its lives, from one flush that may matter to the next."""
        alerts = sorted(alerts, key=lambda alert: alert.starts)
        turns = muting.turns(alerts)
        group_wait, interval, repeat = node.waits
        interval = max(interval, 1.0)
        log = Log(node, labels, sends_resolved=self._resolves.get(node.receiver, True))
        present = _Present(alerts, muting, log)
        while math.isfinite(present.following):
            now = present.following + group_wait
            while now <= until:
                resolved = present.advance(now)
                if (resolved or log.fires) and not self._is_silent(node, now):
                    log.flush(now, resolved, present.places)
                following = present.following
                if present.all_ended and following > now + _SWEEP:
                    self._tell_late(node, log, present.ended, muting, now, min(following, until))
                    break
                ahead = interval
                if not (node.muted or node.only):
                    place = bisect.bisect_right(turns, now)
                    following = turns[place] if place < len(turns) else math.inf
                    # A repeat is due once more than its interval has passed.
                    following = min(following, math.nextafter(log.told_at + repeat, math.inf))
                    if not math.isfinite(following):
                        return log.episodes
                    ahead = interval * max(1, math.ceil((following - now) / interval))
                now += ahead
            else:
                break
        return log.episodes

    def _tell_late(
        self, node: Node, log: Log, ended: Sequence[Sent], muting: _Muting, now: float, until: float
    ) -> None:
        """Tell of an end that was inhibited: Prometheus goes on sending it for a while."""
        at = now + _RESENT
        last = min(until, max((alert.ends for alert in ended), default=now) + _RESOLVED)
        while math.isfinite(log.told_at) and at <= last:
            audible = muting.audible(ended, at)
            if audible and not self._is_silent(node, at):
                log.flush(at, frozenset(alert.key for alert in audible), {})
            at += _RESENT

    def _is_silent(self, node: Node, now: float) -> bool:
        if any(self._calendar(name, now) for name in node.muted):
            return True
        return bool(node.only) and not any(self._calendar(name, now) for name in node.only)


class _Present:
    """The alerts of one group that are there, brought forward from flush to flush.

    Args:
        alerts: All there will ever be, in the order in which they begin.
        muting: When they are inhibited.
        log: Is told which of them fire and can be heard.

    Attributes:
        places: For what tells alerts apart, the places of those that are there.
    """

    def __init__(self, alerts: Sequence[Sent], muting: _Muting, log: Log) -> None:
        self._alerts = alerts
        self._muting = muting
        self._log = log
        self._next = 0
        self._ending: list[tuple[float, int]] = []
        self._ended: list[int] = []
        self._changed: set[Signature] = set()
        # By what inhibits them: whether it does, and what it may inhibit.
        self._inhibited: dict[_Stretches, set[Signature]] = {}
        self._holds: dict[_Stretches, bool] = {}
        self.places: dict[Signature, list[int]] = {}

    @property
    def following(self) -> float:
        """When the next one begins; infinity if none does."""
        return self._alerts[self._next].starts if self._next < len(self._alerts) else math.inf

    @property
    def ended(self) -> list[Sent]:
        """Those that ended since the last flush."""
        return [self._alerts[place] for place in self._ended]

    def advance(self, now: float) -> frozenset[Signature]:
        """Go on to a flush; returns what has ended and can be heard."""
        self._leave()
        while self.following <= now:
            self._enter(self._next)
            self._next += 1
        while self._ending and self._ending[0][0] <= now:
            place = heapq.heappop(self._ending)[1]
            self._ended.append(place)
            self._changed.add(self._alerts[place].key)
        for stretches, keys in self._inhibited.items():
            holds = stretches.hold(now)
            if keys and holds != self._holds.get(stretches):
                self._holds[stretches] = holds
                self._changed |= keys
        resolved = set()
        for key in self._changed:
            latest = self._alerts[self.places[key][-1]]
            if self._holds.get(self._muting.of(latest), False):
                self._log.end(key)
            elif latest.ends > now:
                self._log.begin(latest)
            else:
                self._log.end(key)
                resolved.add(key)
        self._changed.clear()
        return frozenset(resolved)

    @property
    def all_ended(self) -> bool:
        """Whether all that were there had ended by the last flush."""
        return sum(map(len, self.places.values())) == len(self._ended)

    def _enter(self, place: int) -> None:
        alert = self._alerts[place]
        self.places.setdefault(alert.key, []).append(place)
        self._changed.add(alert.key)
        if math.isfinite(alert.ends):
            heapq.heappush(self._ending, (alert.ends, place))
        stretches = self._muting.of(alert)
        if stretches.begins:
            self._inhibited.setdefault(stretches, set()).add(alert.key)

    def _leave(self) -> None:
        """Let go of those that had ended by the last flush."""
        for place in self._ended:
            alert = self._alerts[place]
            there = self.places[alert.key]
            there.remove(place)
            if there:
                self._changed.add(alert.key)
            else:
                del self.places[alert.key]
                self._changed.discard(alert.key)
                self._inhibited.get(self._muting.of(alert), set()).discard(alert.key)
        self._ended.clear()


class _Sides:
    """Which inhibitions an alert is a source or a target of, found out once for each label set."""

    def __init__(self, rules: Sequence[_Inhibition]) -> None:
        self._rules = tuple(enumerate(rules))
        self._known: dict[tuple[Signature, bool], tuple[tuple[int, Signature], ...]] = {}

    def sources(self, alert: Sent) -> tuple[tuple[int, Signature], ...]:
        """Return each inhibition that it causes, with what must be equal."""
        return self._of(alert, source=True)

    def targets(self, alert: Sent) -> tuple[tuple[int, Signature], ...]:
        """Return each inhibition that it is held back by, with what must be equal."""
        return self._of(alert, source=False)

    def _of(self, alert: Sent, *, source: bool) -> tuple[tuple[int, Signature], ...]:
        key = alert.key, source
        if key not in self._known:
            self._known[key] = tuple(
                (number, signature(alert.labels, rule.equal))
                for number, rule in self._rules
                if all(c.fits(alert.labels) for c in (rule.source if source else rule.target))
            )
        return self._known[key]


class _Muting:
    """Which alert is inhibited when: for each label set, when what inhibits it fires."""

    def __init__(self, sides: _Sides, batches: Sequence[Batch]) -> None:
        self._sides = sides
        self._batches = [batch.causes for batch in batches if batch.causes]
        self._muted: dict[object, _Stretches] = {}

    def audible(self, alerts: Sequence[Sent], now: float) -> Sequence[Sent]:
        """Return the alerts that are not inhibited at a moment."""
        if not self._batches:
            return alerts
        return [alert for alert in alerts if not self.of(alert).hold(now)]

    def turns(self, alerts: Sequence[Sent]) -> list[float]:
        """Return the moments at which one begins or ends, or begins or ends to be inhibited, in order."""
        stretches = {id(one): one for one in map(self.of, alerts)}
        return sorted(
            {
                *(alert.starts for alert in alerts),
                *(alert.ends for alert in alerts),
                *(begin for one in stretches.values() for begin in one.begins),
                *(end for one in stretches.values() for end in one.ends),
            }
        )

    def of(self, alert: Sent) -> _Stretches:
        """Return when an alert is inhibited; most alerts of a group share that."""
        if alert.key not in self._muted:
            targets = self._sides.targets(alert)
            own = frozenset(number for number, _ in self._sides.sources(alert))
            alike = targets, own
            if alike not in self._muted:
                self._muted[alike] = _Stretches.of(self._causes(targets, own))
            self._muted[alert.key] = self._muted[alike]
        return self._muted[alert.key]

    def _causes(
        self, targets: Sequence[tuple[int, Signature]], own: frozenset[int]
    ) -> Iterator[tuple[float, float]]:
        for side in targets:
            for cause in (one for causes in self._batches for one in causes.get(side, ())):
                # Of two that are source and target of the same inhibition, neither holds the other back.
                if side[0] not in own or side not in self._sides.targets(cause):
                    yield cause.starts, cause.ends


@dataclass(frozen=True, slots=True, eq=False)
class _Stretches:
    """Half-open stretches of time, in order and apart from each other; told apart by identity."""

    begins: tuple[float, ...]
    ends: tuple[float, ...]

    @classmethod
    def of(cls, stretches: Iterable[tuple[float, float]]) -> _Stretches:
        """Return stretches that may overlap as such that do not."""
        begins: list[float] = []
        ends: list[float] = []
        for begin, end in sorted(stretches):
            if ends and begin <= ends[-1]:
                ends[-1] = max(ends[-1], end)
            elif begin < end:
                begins.append(begin)
                ends.append(end)
        return cls(tuple(begins), tuple(ends))

    def hold(self, now: float) -> bool:
        """Return whether a moment lies in one of them."""
        place = bisect.bisect_right(self.begins, now) - 1
        return place >= 0 and now < self.ends[place]


def _sends_resolved(receiver: Mapping[str, Any]) -> bool:
    """Return whether a receiver tells of ends: by default all do but Slack and mail."""
    silent = ("slack_configs", "email_configs")
    ways = [
        way.get("send_resolved", kind not in silent)
        for kind, list_ in receiver.items()
        if kind.endswith("_configs")
        for way in list_
    ]
    return any(ways) if ways else True


def never_ends(resolved: int | None, step: float) -> float:
    """Return when an alert ends, in seconds from the first evaluation; infinity if it does not."""
    return math.inf if resolved is None else resolved * step
