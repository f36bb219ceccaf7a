"""How many nodes there should be: the profile's `auto_scaling:` block as a pure decision.

The published algorithm of Kubernetes' HorizontalPodAutoscaler is what a recommendation is: as many nodes
as bring utilization to a target, the cautious one of a window's recommendations, and no more change a
period than a rate allows. Three things are asked beyond it. Utilization must be beyond its threshold
during the whole window, measured without a gap: missing data is no reason to act. A node is taken away
only after it was drained and is seen idle, and none while anything else is wrong. And a limit that was
raised falls back by itself.

Nothing here reads a clock or the world: the caller keeps samples and history, and carries decisions out.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from airwarden.core.settings.alerting import AutoScaling
from airwarden.core.thresholds import Unit


@dataclass(frozen=True, slots=True)
class Rate:
    """The most that may change within a period: so many nodes or a share of them, whichever is more.

    Attributes:
        period: Seconds.
    """

    nodes: int
    share: float
    period: float

    def most(self, at_first: int) -> int:
        """Return how many nodes may be added or taken away, of those at the period's beginning."""
        return max(self.nodes, math.ceil(at_first * self.share - 1e-9))


@dataclass(frozen=True, slots=True)
class ScalingPolicy:
    """When and how far to scale.

    Attributes:
        up, down: Utilization above which nodes are added, below which they are taken away.
        up_for, down_for: Seconds during which every sample must be beyond it.
        minimum, maximum: Nodes.
        target: Utilization that a change aims at; halfway between the two thresholds if None.
        tolerance: Share by which the load must be off the target for anything to be changed.
        up_rate, down_rate: See `Rate`.
        gap: Seconds between two samples, or since the last, from which data counts as missing.
        ceiling: Nodes up to which the maximum may be raised for a while; None where it may not.
        raise_by: Share of the maximum by which it is raised.
        raised_for: Seconds that a raised maximum holds.
    """

    up: float
    down: float
    up_for: float
    down_for: float
    minimum: int
    maximum: int
    target: float | None = None
    tolerance: float = 0.1
    up_rate: Rate = Rate(4, 1.0, 60.0)
    down_rate: Rate = Rate(1, 0.1, 300.0)
    gap: float = 60.0
    ceiling: int | None = None
    raise_by: float = 0.25
    raised_for: float = 7200.0

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if not 0 <= self.down < self.up <= 1:
            raise ValueError("the lower threshold lies below the upper one, both from 0 to 1")
        if not 0 <= self.minimum <= self.maximum:
            raise ValueError("the minimum is at most the maximum")
        if not self.down < self.aim < self.up:
            raise ValueError(
                "the target lies between the thresholds, or a change would undo itself"
            )

    @property
    def aim(self) -> float:
        """The utilization that a change aims at."""
        return (self.up + self.down) / 2 if self.target is None else self.target


def policy_of(block: AutoScaling) -> ScalingPolicy:
    """Return what the operator's `auto_scaling:` block means.

    Raises:
        ValueError: Its thresholds are no shares, or contradict each other.
    """
    up, down = block.scale_up_threshold, block.scale_down_threshold
    if up.unit is not Unit.RATIO or down.unit is not Unit.RATIO:
        raise ValueError("a node's utilization is a share: write 85% utilization for 5 minutes")
    return ScalingPolicy(
        up=float(up.value),
        down=float(down.value),
        up_for=(up.window or timedelta(0)).total_seconds(),
        down_for=(down.window or timedelta(0)).total_seconds(),
        minimum=block.min_nodes,
        maximum=block.max_nodes,
    )


@dataclass(frozen=True, slots=True)
class Sample:
    """The fleet at one moment.

    Attributes:
        at: Seconds, by any clock that only rises.
        nodes: Ready nodes.
        busy: How many nodes' worth of work they do (half of two nodes' slots taken is 1.0).
        waiting: How many nodes' worth of work waits for a slot.
        slots: How many tasks one node can have, on average.
    """

    at: float
    nodes: int
    busy: float
    waiting: float = 0.0
    slots: float = 1.0

    @property
    def utilization(self) -> float:
        """Share of the nodes' capacity that is taken; 1 where there is work and no node."""
        if self.nodes == 0:
            return 1.0 if self.busy + self.waiting else 0.0
        return self.busy / self.nodes

    @property
    def demand(self) -> float:
        """How many nodes' worth of work there is, waiting or in work."""
        return self.busy + self.waiting

    def recommended(self, target: float) -> int:
        """Return the nodes that would bring the utilization to a target."""
        return math.ceil(self.demand / target - 1e-9)


@dataclass(frozen=True, slots=True)
class Node:
    """A node as it is now: whether it is drained (takes nothing new), and how many tasks it has."""

    name: str
    tasks: int
    draining: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """A change of the wanted number that was carried out."""

    at: float
    by: int


@dataclass(frozen=True, slots=True)
class Raised:
    """A maximum that was raised until a moment."""

    limit: int
    until: float


class Move(StrEnum):
    """What to do."""

    HOLD = "hold"
    ADD = "add"
    #: Let nodes take nothing new; those that become idle can be taken away later.
    DRAIN = "drain"
    #: Let drained nodes take work again: it has come back.
    RETURN = "return"
    #: Take away drained, idle nodes.
    REMOVE = "remove"
    #: Raise the maximum for a while: all its nodes are busy, and more are needed.
    RAISE = "raise"
    #: A raised maximum falls back.
    REVERT = "revert"


@dataclass(frozen=True, slots=True)
class Decision:
    """One thing to do, and why.

    Attributes:
        wanted: Nodes that there shall be: absolute.
        nodes: Which, where it is about some of them.
        raised: Of a decision to raise the maximum, to what and until when.
    """

    move: Move
    wanted: int
    why: str
    nodes: tuple[str, ...] = ()
    raised: Raised | None = None


@dataclass(frozen=True, slots=True)
class Fleet:
    """All that a decision looks at.

    Attributes:
        now: Seconds, by the samples' clock.
        wanted: Nodes that there shall be by the last decision, ready or not.
        samples: The past, oldest first; what is older than the longer window is not looked at.
        nodes: The nodes that are ready.
        changes: What was changed of late.
        raised: A maximum that was raised and has not fallen back.
        trouble: Why nothing may be taken away now (another incident), if there is a reason.
    """

    now: float
    wanted: int
    samples: Sequence[Sample]
    nodes: Sequence[Node] = ()
    changes: Collection[Changed] = ()
    raised: Raised | None = None
    trouble: str = ""


def decide(policy: ScalingPolicy, fleet: Fleet) -> Decision:
    """Return the one thing to do now; `HOLD` with a reason where there is none."""
    if fleet.wanted < policy.minimum:
        return Decision(Move.ADD, policy.minimum, f"{policy.minimum} are the fewest")
    recent = _window(policy, fleet, policy.up_for)
    if recent and all(one.utilization > policy.up for one in recent):
        return _grow(policy, fleet, recent)
    if fleet.wanted > (limit := _limit(policy, fleet)):
        return _take(fleet, fleet.wanted - limit, f"{limit} are the most")
    if fleet.raised is not None and fleet.now >= fleet.raised.until:
        return Decision(Move.REVERT, fleet.wanted, "the time of the raised maximum is over")
    past = _window(policy, fleet, policy.down_for)
    if past and all(one.utilization < policy.down for one in past):
        return _shrink(policy, fleet, past)
    drained = _drained(fleet)
    if drained and recent:
        return Decision(Move.RETURN, fleet.wanted, "the load is not low any more", drained)
    if not recent:
        return _hold(fleet, "measurements are missing: nothing is changed without them")
    return _hold(fleet, "utilization is between the thresholds, or not long enough beyond one")


def _hold(fleet: Fleet, why: str) -> Decision:
    return Decision(Move.HOLD, fleet.wanted, why)


def _drained(fleet: Fleet) -> tuple[str, ...]:
    return tuple(node.name for node in fleet.nodes if node.draining)


def _limit(policy: ScalingPolicy, fleet: Fleet) -> int:
    """Return the maximum that holds now, a raised one as long as its time lasts."""
    raised = fleet.raised
    return raised.limit if raised is not None and fleet.now < raised.until else policy.maximum


def _window(policy: ScalingPolicy, fleet: Fleet, seconds: float) -> Sequence[Sample]:
    """Return the samples of the last seconds; none where they do not cover them without a gap."""
    begin = fleet.now - seconds
    before = [one for one in fleet.samples if one.at <= begin]
    inside = [one for one in fleet.samples if begin < one.at <= fleet.now]
    # The last one before the window tells what was at its beginning.
    found = [*before[-1:], *inside]
    if not found or fleet.now - found[-1].at > policy.gap:
        return ()
    if found[0].at > begin + policy.gap or (seconds and not before):
        return ()
    if any(later.at - one.at > policy.gap for one, later in itertools.pairwise(found)):
        return ()
    return found


def _grow(policy: ScalingPolicy, fleet: Fleet, recent: Sequence[Sample]) -> Decision:
    """Add nodes: as many as the most cautious sample of the window asks for, as fast as allowed."""
    if drained := _drained(fleet):
        return Decision(Move.RETURN, fleet.wanted, "work has come back: none is drained", drained)
    over = f"over {policy.up:.0%} for {policy.up_for:.0f} s"
    least, limit = min(recent, key=lambda one: one.demand), _limit(policy, fleet)
    asked = least.recommended(policy.aim)
    if asked <= fleet.wanted or not _differs(policy, least, fleet.wanted):
        return _hold(fleet, f"{over}; {fleet.wanted} nodes, ready or on their way, are enough")
    if fleet.wanted >= limit:
        return _raise(policy, fleet, limit, over)
    wanted = min(asked, _fastest(policy.up_rate, fleet, up=True), limit)
    if wanted <= fleet.wanted:
        return _hold(fleet, f"{over}; no more may be added within {policy.up_rate.period:.0f} s")
    return Decision(Move.ADD, wanted, f"{over}: {asked} nodes would bring it to {policy.aim:.0%}")


def _raise(policy: ScalingPolicy, fleet: Fleet, limit: int, over: str) -> Decision:
    """Raise the maximum once, for a while; a raised one is not raised again."""
    if policy.ceiling is None or fleet.raised is not None:
        return _hold(fleet, f"{over}; {limit} nodes are the most")
    raised = Raised(
        min(policy.ceiling, math.ceil(limit * (1 + policy.raise_by))), fleet.now + policy.raised_for
    )
    if raised.limit <= limit:
        return _hold(fleet, f"{over}; {limit} nodes are the most")
    why = f"{over} with all {limit} nodes: up to {raised.limit} for {policy.raised_for:.0f} s"
    return Decision(Move.RAISE, fleet.wanted, why, raised=raised)


def _shrink(policy: ScalingPolicy, fleet: Fleet, past: Sequence[Sample]) -> Decision:
    """Take nodes away: as few as the most cautious sample of the window asks for."""
    under = f"under {policy.down:.0%} for {policy.down_for:.0f} s"
    most = max(past, key=lambda one: one.demand)
    asked = most.recommended(policy.aim)
    wanted = max(asked, _fastest(policy.down_rate, fleet, up=False), policy.minimum)
    if wanted >= fleet.wanted or not _differs(policy, most, fleet.wanted):
        return _hold(fleet, f"{under}; {fleet.wanted} nodes are as few as may be now")
    return _take(fleet, fleet.wanted - wanted, f"{under}: {asked} nodes are enough")


def _take(fleet: Fleet, surplus: int, why: str) -> Decision:
    """Take away so many: those that are drained and idle; else drain the least busy of the others."""
    if fleet.trouble:
        return _hold(fleet, f"{why}; none is taken away: {fleet.trouble}")
    if len(fleet.nodes) < fleet.wanted:
        return _hold(fleet, f"{why}; others are still on their way")
    drained = [node for node in fleet.nodes if node.draining]
    idle = tuple(sorted(node.name for node in drained if not node.tasks))[:surplus]
    if idle:
        return Decision(Move.REMOVE, fleet.wanted - len(idle), why, idle)
    missing = surplus - len(drained)
    if missing <= 0:
        return _hold(fleet, f"{why}; {len(drained)} drained nodes still work")
    others = sorted(
        (node for node in fleet.nodes if not node.draining), key=lambda n: (n.tasks, n.name)
    )
    return Decision(Move.DRAIN, fleet.wanted, why, tuple(node.name for node in others[:missing]))


def _differs(policy: ScalingPolicy, sample: Sample, wanted: int) -> bool:
    """Return whether the load is further from the target than the tolerance."""
    return wanted == 0 or abs(sample.demand / (policy.aim * wanted) - 1) > policy.tolerance


def _fastest(rate: Rate, fleet: Fleet, *, up: bool) -> int:
    """Return the most (or fewest) nodes that the rate allows now, from the period's beginning."""
    late = [one.by for one in fleet.changes if one.at > fleet.now - rate.period]
    if up:
        at_first = fleet.wanted - sum(by for by in late if by > 0)
        return at_first + rate.most(at_first)
    at_first = fleet.wanted - sum(by for by in late if by < 0)
    return max(0, at_first - rate.most(at_first))
