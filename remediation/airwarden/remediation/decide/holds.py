"""Rails about what goes on around: roll-outs, blocking alerts, lag, clocks, fights, what is out of bounds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from airwarden.remediation.actions.base import Effect
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.refusal import Patience, Refusal

if TYPE_CHECKING:
    from airwarden.core.alerts import Alert
    from airwarden.remediation.decide.guards import GuardFacts

#: What is never touched, as patterns over a target's key without its cluster; operators may add more.
OUT_OF_BOUNDS = (
    "process/airwarden*",
    "process/*:airwarden*",
    "db-application/airwarden*",
    "k8s/kube-system/*",
)


def out_of_bounds(effect: Effect, patterns: Iterable[str]) -> str:
    """Return the pattern by which an effect's target is never touched, or nothing."""
    keys = [effect.target.partition("/")[2]]
    if application := effect.before.get("application"):
        keys.append(f"db-application/{application}")
    for pattern in (*OUT_OF_BOUNDS, *patterns):
        if any(fnmatchcase(key, pattern) for key in keys):
            return pattern
    return ""


def blocking(
    alerts: Iterable[Alert],
    block_on: Sequence[Mapping[str, str]],
    *,
    cluster: str,
    own: Collection[str],
) -> list[str]:
    """Return the alerts that block, one clause each, at most three.

    Args:
        alerts: What is active; a suppressed one blocks nothing.
        block_on: Label sets; an alert blocks when every label of one of them has that value.
        cluster: Alerts of other clusters do not count; one without the label is everybody's.
        own: Fingerprints of the incident's own alerts: a remedy is not blocked by its reason.
    """
    found: list[str] = []
    for one in alerts:
        here = one.labels.get("cluster", cluster) == cluster
        if not here or one.suppressed_by or one.fingerprint in own or len(found) == 3:
            continue
        if any(all(one.labels.get(k) == v for k, v in wanted.items()) for wanted in block_on):
            found.append(one.name)
    return found


def clock_offset(before: datetime, theirs: datetime, after: datetime) -> float:
    """Return by how many seconds a clock that was read between two looks at ours is off, at least."""
    if theirs < before:
        return (theirs - before).total_seconds()
    return max(0.0, (theirs - after).total_seconds())


def changed_lately(
    what: str,
    value: str,
    previous: str,
    changed_at: datetime | None,
    now: datetime,
    hold: timedelta,
) -> str:
    """Return the clause that tells of a version's change not longer than `hold` ago, or nothing."""
    if changed_at is None or now - changed_at >= hold:
        return ""
    minutes = (now - changed_at).total_seconds() / 60
    return f"{what} changed from {previous} to {value} {minutes:.1f} minutes ago"


def nothing_of_ours(facts: GuardFacts, _rails: Rails) -> Refusal | None:
    """What heals must not take itself down, nor what an operator put out of bounds."""
    if not facts.around.protected:
        return None
    return Refusal(
        "protected",
        f"{facts.effect.target} is never touched ({facts.around.protected})",
        Patience.STOP,
    )


def small_enough(facts: GuardFacts, rails: Rails) -> Refusal | None:
    """A selection that turned out huge is likelier a wrong selection than a huge fault."""
    if facts.around.targets <= rails.fan_out_most:
        return None
    return Refusal(
        "fan-out",
        f"the plan has {facts.around.targets} targets, and at most {rails.fan_out_most} are"
        " touched without a person",
        Patience.STOP,
    )


def same_target(facts: GuardFacts, _rails: Rails) -> Refusal | None:
    """A target that was replaced since is another one, and is judged anew."""
    if not facts.around.replaced:
        return None
    return Refusal("generation", f"{facts.effect.target} was replaced since it was planned for")


def no_rollout(facts: GuardFacts, _rails: Rails) -> Refusal | None:
    """While a new version rolls out, what looks broken may be on its way."""
    if facts.undo or not facts.around.changed:
        return None
    return Refusal("rollout", "; ".join(facts.around.changed), Patience.HOLD)


def not_blocked(facts: GuardFacts, _rails: Rails) -> Refusal | None:
    """Some alerts say that now is no time for this."""
    if facts.undo or not facts.around.blockers:
        return None
    return Refusal("block-on", f"blocked while {', '.join(facts.around.blockers)} fires")


def journal_keeps_up(facts: GuardFacts, rails: Rails) -> Refusal | None:
    """Decisions taken on old news are not decisions on what is."""
    if timedelta(seconds=facts.around.journal_lag) <= rails.journal_lag_most:
        return None
    return Refusal(
        "journal-lag",
        f"the inbox is {facts.around.journal_lag:.0f} s behind: what came is not read",
    )


def clocks_agree(facts: GuardFacts, rails: Rails) -> Refusal | None:
    """Ages of heartbeats and of plans mean nothing between clocks that differ."""
    for whose, seconds in facts.around.clock_offsets:
        if timedelta(seconds=abs(seconds)) > rails.clock_offset_most:
            return Refusal(
                "clock", f"the clock of {whose} differs from this machine's by {seconds:+.1f} s"
            )
    return None


def no_fight(facts: GuardFacts, rails: Rails) -> Refusal | None:
    """What somebody else takes back each time is theirs: two controllers would fight for ever."""
    if facts.undo or facts.around.reverted < rails.fight_reverts:
        return None
    return Refusal(
        "fight",
        f"somebody else has taken it back {facts.around.reverted} times: {facts.effect.summary}",
        Patience.STOP,
    )
