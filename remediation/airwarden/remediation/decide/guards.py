"""The guards: each a pure function from facts to a refusal with its reason, or to nothing.

Facts that could not be read are named in `GuardFacts.unreadable`: acting fails closed, paging open.
All guards are judged in the transaction that writes the intent, so that what they saw still holds when
the effect is allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from airwarden.core.counting import times
from airwarden.remediation.actions.base import Danger, Effect
from airwarden.remediation.decide.around import Around
from airwarden.remediation.decide.backoff import cool_down_until
from airwarden.remediation.decide.calendar import OpenWindows
from airwarden.remediation.decide.fleet import (
    fleet_share,
    healthy_floor,
    one_at_a_time,
    pace,
    scale_down_floor,
)
from airwarden.remediation.decide.holds import (
    clocks_agree,
    journal_keeps_up,
    no_fight,
    no_rollout,
    not_blocked,
    nothing_of_ours,
    same_target,
    small_enough,
)
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.refusal import Patience as Patience
from airwarden.remediation.decide.refusal import Refusal as Refusal
from airwarden.remediation.decide.resting import Rest, playbook_has_helped
from airwarden.remediation.decide.states import Mode
from airwarden.remediation.decide.unrest import Unrest, no_storm, not_flapping


class AlertSight(StrEnum):
    """What Alertmanager says, right before an effect, about the incident's alerts."""

    ACTIVE = "active"
    SUPPRESSED = "suppressed"
    GONE = "gone"
    #: No Alertmanager is configured to ask.
    NOT_ASKED = "not-asked"


@dataclass(frozen=True, slots=True)
class GuardFacts:
    """What the guards look at.

    Attributes:
        now: The journal's time.
        effect: What is about to be done.
        danger: Its action's class.
        undo: It takes back an effect of ours.
        acted: This run has already done an effect.
        kill: Reasons for which everything is stopped (switch, file); empty when nothing is.
        mode: The effective mode.
        approved: A person approved exactly this plan, or the whole of which it is the rest.
        alerts: See `AlertSight`.
        plan_valid_until: When the plan becomes stale.
        lock_holder: The other run that holds the target's lock.
        in_flight: (cluster, danger) of other runs' effects whose result is not known.
        cluster: The effect's cluster.
        exhausted: Budgets that have nothing left, as people read them.
        uses: Earlier incidents' uses of the target by this playbook, oldest first.
        others_open: Other open incidents of the cluster.
        lead_left: Seconds until this process fences itself.
        lead_needed: Seconds that must be left for the effect to begin.
        windows: The maintenance windows, freezes and quiet hours that are open.
        unreadable: What could not be read, with why.
        unrest: Storms and flapping.
        around: What stands around the target: its fleet, its siblings, the platform.
        rest: The playbook's breaker, where it holds this run back.
    """

    now: datetime
    effect: Effect
    danger: Danger
    undo: bool
    acted: bool
    kill: Sequence[str]
    mode: Mode
    approved: bool
    alerts: AlertSight
    plan_valid_until: datetime
    lock_holder: int | None
    in_flight: Sequence[tuple[str, Danger]]
    cluster: str
    exhausted: Sequence[str]
    uses: Sequence[datetime]
    others_open: Sequence[int]
    lead_left: float
    lead_needed: float
    windows: OpenWindows = field(default_factory=OpenWindows)
    unreadable: Sequence[str] = ()
    unrest: Unrest = field(default_factory=Unrest)
    around: Around = field(default_factory=Around)
    rest: Rest | None = None

    @property
    def disruptive(self) -> bool:
        """True for what takes something down, or could."""
        return self.danger is not Danger.A


Guard = Callable[[GuardFacts, Rails], Refusal | None]


def kill_switch(facts: GuardFacts, _rails: Rails) -> Refusal | None:
    """Nothing is done while anybody says stop; this wins over everything."""
    if facts.kill:
        return Refusal("kill-switch", "; ".join(facts.kill))
    return None


def no_maintenance(facts: GuardFacts, _rails: Rails) -> Refusal | None:
    """Somebody works on the platform: what looks broken may be meant."""
    if facts.windows.maintenance:
        return Refusal("maintenance", "; ".join(facts.windows.maintenance), Patience.HOLD)
    return None


def no_freeze(facts: GuardFacts, _rails: Rails) -> Refusal | None:
    """Nothing may change now: people are paged as ever, and decide themselves."""
    if facts.windows.freeze:
        return Refusal("freeze", "; ".join(facts.windows.freeze), Patience.HOLD)
    return None


def readable(facts: GuardFacts, _rails: Rails) -> Refusal | None:
    """What cannot be read is not assumed to be fine."""
    if facts.unreadable:
        return Refusal("unreadable", "cannot be read: " + "; ".join(facts.unreadable))
    return None


def mode_allows(facts: GuardFacts, _rails: Rails) -> Refusal | None:
    """In `off` and `shadow` nothing is done."""
    if facts.mode in (Mode.OFF, Mode.SHADOW):
        return Refusal("mode", f"the effective mode is {facts.mode}", Patience.STOP)
    return None


def approved(facts: GuardFacts, _rails: Rails) -> Refusal | None:
    """Where a person has to agree, one has. Asked last: nobody agrees to what is refused anyway."""
    why = why_approval(facts)
    if why and not facts.approved:
        return Refusal("approval", why)
    return None


def why_approval(facts: GuardFacts) -> str:
    """Return why a person has to agree, or nothing: what takes back our own change goes without."""
    if facts.danger is Danger.C:
        return "danger C always needs a person's yes"
    if facts.undo:
        return ""
    if facts.mode is Mode.APPROVE:
        return "in mode approve a person has to agree"
    if facts.windows.quiet and facts.danger is not Danger.A:
        return f"danger {facts.danger} needs a person's yes now: {'; '.join(facts.windows.quiet)}"
    return ""


def not_suppressed(facts: GuardFacts, _rails: Rails) -> Refusal | None:
    """A silence or an inhibition that began since stops what is not done yet."""
    if facts.alerts is AlertSight.SUPPRESSED:
        return Refusal("suppressed", "its alerts are silenced or inhibited", Patience.HOLD)
    if facts.alerts is AlertSight.GONE and not facts.acted and not facts.undo:
        return Refusal("alert-gone", "Alertmanager no longer shows its alerts as active")
    return None


def plan_is_fresh(facts: GuardFacts, _rails: Rails) -> Refusal | None:
    """A stale plan describes a platform that may no longer be there."""
    if facts.now > facts.plan_valid_until:
        return Refusal("plan-age", "the plan is too old and is made anew")
    return None


def one_remedy_per_target(facts: GuardFacts, _rails: Rails) -> Refusal | None:
    """Two remedies on one target cannot tell whose effect they see."""
    if facts.lock_holder is not None:
        return Refusal(
            "target-lock", f"run {facts.lock_holder} is at work on {facts.effect.target}"
        )
    return None


def few_in_flight(facts: GuardFacts, rails: Rails) -> Refusal | None:
    """Few effects at once, and one disruptive one per cluster."""
    if len(facts.in_flight) >= rails.effects_in_flight:
        return Refusal("in-flight", f"{len(facts.in_flight)} effects are in flight")
    here = [danger for cluster, danger in facts.in_flight if cluster == facts.cluster]
    disruptive = sum(danger is not Danger.A for danger in here)
    if facts.disruptive and disruptive >= rails.disruptive_in_flight:
        return Refusal("in-flight", f"a disruptive effect is in flight in {facts.cluster}")
    return None


def cooled_down(facts: GuardFacts, rails: Rails) -> Refusal | None:
    """A remedy that has to be repeated soon is not one."""
    if not facts.disruptive or facts.undo:
        return None
    until = cool_down_until(facts.uses, rails)
    if until is None or facts.now >= until:
        return None
    minutes = (until - facts.now).total_seconds() / 60
    soon = until - facts.now <= rails.guard_patience
    return Refusal(
        "cool-down",
        f"{facts.effect.target} was treated {times(len(facts.uses))} lately and is left alone"
        f" for {minutes:.1f} more minutes",
        Patience.WAIT if soon else Patience.STOP,
    )


def within_budget(facts: GuardFacts, _rails: Rails) -> Refusal | None:
    """So many effects an hour or a day; after that a human looks."""
    if facts.exhausted:
        return Refusal("budget", "used up: " + ", ".join(facts.exhausted), Patience.STOP)
    return None


def no_scale_down_in_trouble(facts: GuardFacts, _rails: Rails) -> Refusal | None:
    """Capacity is never removed while something else is wrong (Slack, January 2021)."""
    if facts.effect.removes_capacity and facts.others_open:
        numbers = ", ".join(str(number) for number in facts.others_open[:5])
        return Refusal(
            "other-incident",
            f"capacity stays while other incidents are open in {facts.cluster}: {numbers}",
            Patience.HOLD,
        )
    return None


def lead_lasts(facts: GuardFacts, _rails: Rails) -> Refusal | None:
    """An effect must be over before another process may think that it leads."""
    if facts.lead_left <= facts.lead_needed:
        return Refusal("lease", f"the lease is sure for {facts.lead_left:.1f} s more only")
    return None


GUARDS: tuple[Guard, ...] = (
    kill_switch,
    no_maintenance,
    no_freeze,
    nothing_of_ours,
    readable,
    mode_allows,
    not_suppressed,
    not_flapping,
    no_storm,
    plan_is_fresh,
    same_target,
    no_rollout,
    not_blocked,
    journal_keeps_up,
    clocks_agree,
    small_enough,
    no_fight,
    one_remedy_per_target,
    few_in_flight,
    cooled_down,
    within_budget,
    playbook_has_helped,
    one_at_a_time,
    healthy_floor,
    fleet_share,
    pace,
    no_scale_down_in_trouble,
    scale_down_floor,
    approved,
    lead_lasts,
)


def judge(facts: GuardFacts, rails: Rails) -> Refusal | None:
    """Return the first guard's refusal, or None: the effect may begin."""
    for guard in GUARDS:
        refusal = guard(facts, rails)
        if refusal is not None:
            return refusal
    return None
