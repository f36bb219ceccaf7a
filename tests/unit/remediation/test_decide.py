"""The pure decisions: transitions, guards, backoff, correlation, paging, folding of events."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airwarden.core.alerts import Alert, AlertStatus, Severity
from airwarden.remediation.actions.base import Danger, Effect
from airwarden.remediation.decide.backoff import ceiling, cool_down_until, jittered
from airwarden.remediation.decide.calendar import OpenWindows
from airwarden.remediation.decide.correlate import (
    LoadedPlaybook,
    PlaybookSet,
    highest,
    place,
    shared_labels,
)
from airwarden.remediation.decide.episodes import Known, news
from airwarden.remediation.decide.guards import (
    GUARDS,
    AlertSight,
    GuardFacts,
    Patience,
    judge,
)
from airwarden.remediation.decide.paging import Escalation, page_at
from airwarden.remediation.decide.progress import Phase, Progress
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.states import (
    ATTEMPT_TRANSITIONS,
    INCIDENT_TRANSITIONS,
    RUN_TRANSITIONS,
    AttemptState,
    IncidentState,
    Mode,
    RunState,
    effective_mode,
)
from airwarden.remediation.playbook import Page, PageWhen
from support.engine import START, alert, playbook

RAILS = Rails()
EFFECT = Effect("machine.restart", "lab/machine/one", {}, {}, "restart")
#: Facts that every guard lets pass.
FINE = GuardFacts(
    now=START,
    effect=EFFECT,
    danger=Danger.B,
    undo=False,
    acted=False,
    kill=(),
    mode=Mode.AUTO,
    approved=False,
    alerts=AlertSight.ACTIVE,
    plan_valid_until=START + timedelta(seconds=60),
    lock_holder=None,
    in_flight=(),
    cluster="lab",
    exhausted=(),
    uses=(),
    others_open=(),
    lead_left=9.0,
    lead_needed=5.0,
)


def test_nothing_refused_means_go() -> None:
    assert judge(FINE, RAILS) is None


@pytest.mark.parametrize(
    ("changes", "guard", "patience"),
    [
        ({"kill": ("stopped by ada: x",)}, "kill-switch", Patience.WAIT),
        ({"windows": OpenWindows(maintenance=("upgrade",))}, "maintenance", Patience.HOLD),
        ({"windows": OpenWindows(freeze=("year end",)), "undo": True}, "freeze", Patience.HOLD),
        ({"windows": OpenWindows(quiet=("holiday",))}, "approval", Patience.WAIT),
        ({"unreadable": ("Alertmanager",)}, "unreadable", Patience.WAIT),
        ({"mode": Mode.SHADOW}, "mode", Patience.STOP),
        ({"mode": Mode.OFF}, "mode", Patience.STOP),
        ({"mode": Mode.APPROVE}, "approval", Patience.WAIT),
        ({"danger": Danger.C}, "approval", Patience.WAIT),
        ({"alerts": AlertSight.SUPPRESSED}, "suppressed", Patience.HOLD),
        ({"alerts": AlertSight.GONE}, "alert-gone", Patience.WAIT),
        ({"now": START + timedelta(seconds=61)}, "plan-age", Patience.WAIT),
        ({"lock_holder": 7}, "target-lock", Patience.WAIT),
        ({"in_flight": [("x", Danger.A)] * 3}, "in-flight", Patience.WAIT),
        ({"in_flight": [("lab", Danger.B)]}, "in-flight", Patience.WAIT),
        ({"uses": [START - timedelta(minutes=1)]}, "cool-down", Patience.STOP),
        ({"uses": [START - timedelta(minutes=8)]}, "cool-down", Patience.WAIT),
        ({"exhausted": ["target/hour (2)"]}, "budget", Patience.STOP),
        (
            {"effect": replace(EFFECT, removes_capacity=True), "others_open": [3]},
            "other-incident",
            Patience.HOLD,
        ),
        ({"lead_left": 5.0}, "lease", Patience.WAIT),
    ],
)
def test_each_guard_refuses_what_it_guards_against(
    changes: dict[str, Any], guard: str, patience: Patience
) -> None:
    refusal = judge(replace(FINE, **changes), RAILS)
    assert refusal is not None
    assert (refusal.guard, refusal.patience) == (guard, patience)
    assert refusal.reason


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": Mode.APPROVE, "approved": True},
        {"mode": Mode.APPROVE, "undo": True},
        {"danger": Danger.C, "approved": True},
        {"windows": OpenWindows(quiet=("holiday",)), "danger": Danger.A},
        {"windows": OpenWindows(quiet=("holiday",)), "undo": True},
        {"windows": OpenWindows(quiet=("holiday",)), "approved": True},
        {"alerts": AlertSight.GONE, "acted": True},
        {"alerts": AlertSight.GONE, "undo": True},
        {"alerts": AlertSight.NOT_ASKED},
        {"in_flight": [("elsewhere", Danger.B)]},
        {"in_flight": [("lab", Danger.B)], "danger": Danger.A},
        {"uses": [START - timedelta(minutes=11)]},
        {"uses": [START - timedelta(minutes=1)], "danger": Danger.A},
        {"uses": [START - timedelta(minutes=1)], "undo": True},
        {"others_open": [3]},
        {"effect": replace(EFFECT, removes_capacity=True)},
    ],
)
def test_a_guard_does_not_forbid_the_remedy_it_guards(changes: dict[str, Any]) -> None:
    assert judge(replace(FINE, **changes), RAILS) is None


def test_the_kill_switch_is_judged_first_and_every_guard_is_used() -> None:
    everything = replace(
        FINE, kill=("stop",), unreadable=("x",), mode=Mode.OFF, exhausted=["b"], lead_left=0
    )
    refusal = judge(everything, RAILS)
    assert refusal is not None
    assert refusal.guard == "kill-switch"
    assert len(GUARDS) == len({guard.__name__ for guard in GUARDS})


@given(st.lists(st.sampled_from(list(Mode)), max_size=5))
def test_the_effective_mode_is_the_lowest(modes: list[Mode]) -> None:
    found = effective_mode(*modes)
    if not modes:
        assert found is Mode.SHADOW
    assert all(found.rank <= mode.rank for mode in modes)


def test_terminal_states_are_left_only_by_recurrence() -> None:
    for state in IncidentState:
        ways = INCIDENT_TRANSITIONS[state]
        if state.terminal:
            assert ways <= {IncidentState.REOPENED}
        else:
            assert ways, f"{state} is a dead end"
    for run_state in RunState:
        assert bool(RUN_TRANSITIONS[run_state]) is not run_state.terminal
    for attempt_state in AttemptState:
        assert bool(ATTEMPT_TRANSITIONS[attempt_state]) is not attempt_state.settled


def test_every_incident_can_end() -> None:
    """From each state a terminal one is reached: nothing is stuck for ever."""
    for state in IncidentState:
        seen, todo = {state}, [state]
        while todo:
            for following in INCIDENT_TRANSITIONS[todo.pop()] - seen:
                seen.add(following)
                todo.append(following)
        assert state.terminal or any(one.terminal for one in seen)


def test_no_attempt_is_done_without_having_started() -> None:
    before = {old for old, new in ATTEMPT_TRANSITIONS.items() if AttemptState.CONFIRMED in new}
    assert before == {AttemptState.STARTED, AttemptState.UNKNOWN}


@given(st.integers(0, 200), st.integers(0, 10_000))
def test_backoff_stays_between_zero_and_its_cap(failures: int, seed: int) -> None:
    wait = jittered(failures, RAILS.backoff_base, RAILS.backoff_cap, Random(seed))
    assert timedelta(0) <= wait <= ceiling(failures, RAILS.backoff_base, RAILS.backoff_cap)
    assert wait <= RAILS.backoff_cap


def test_backoff_doubles_up_to_its_cap() -> None:
    waits = [ceiling(n, RAILS.backoff_base, RAILS.backoff_cap).total_seconds() for n in range(1, 9)]
    assert waits == [30, 60, 120, 240, 480, 960, 1800, 1800]


def test_cool_down_doubles_with_each_use_and_starts_anew_after_peace() -> None:
    minute = timedelta(minutes=1)
    assert cool_down_until([], RAILS) is None
    assert cool_down_until([START], RAILS) == START + 10 * minute
    assert cool_down_until([START, START + 15 * minute], RAILS) == START + 35 * minute
    peaceful = START + 10 * minute + RAILS.cool_down_reset
    assert cool_down_until([START, peaceful], RAILS) == peaceful + 10 * minute


@given(st.lists(st.integers(0, 100_000), max_size=30))
def test_cool_down_is_bounded_and_follows_the_last_use(seconds: list[int]) -> None:
    uses = [START + timedelta(seconds=one) for one in sorted(seconds)]
    until = cool_down_until(uses, RAILS)
    if uses:
        assert until is not None
        assert RAILS.cool_down <= until - uses[-1] <= RAILS.cool_down_cap


EVENTS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(list(AlertStatus))), min_size=1, max_size=12
)


@given(EVENTS, st.randoms())
def test_the_order_of_webhooks_does_not_change_what_is_true(
    events: list[tuple[int, AlertStatus]], random: Random
) -> None:
    """Whatever the order and the repetitions, the newest episode's last word wins."""

    def fold(order: list[tuple[int, AlertStatus]]) -> Known | None:
        known: Known | None = None
        for hour, status in order:
            one = alert(status=status, starts=START + timedelta(hours=hour))
            if news(known, one, polled=False):
                known = Known(one.starts_at, one.status)
        return known

    shuffled = events + events[:3]
    random.shuffle(shuffled)
    assert fold(shuffled) == fold(events)


def test_a_poll_may_take_resolved_back_but_only_for_the_same_episode() -> None:
    known = Known(START, AlertStatus.RESOLVED)
    assert not news(known, alert(starts=START), polled=False)
    assert news(known, alert(starts=START), polled=True)
    assert not news(known, alert(starts=START - timedelta(hours=1)), polled=True)


def books(*some: tuple[str, dict[str, str]]) -> PlaybookSet:
    made = [playbook(name=name, alerts=[labels]) for name, labels in some]
    return PlaybookSet({one.name: LoadedPlaybook(one) for one in made})


def test_the_most_specific_playbook_takes_an_alert() -> None:
    known = books(
        ("any-machine", {"alertname": "MachineDown"}),
        ("one-machine", {"alertname": "MachineDown", "name": "one"}),
    )
    assert place(alert(name="one"), known).playbook == "one-machine"
    assert place(alert(name="two"), known).playbook == "any-machine"
    assert place(alert("Other"), known).playbook == ""


def test_an_incident_is_one_target_of_one_playbook_in_one_cluster() -> None:
    known = books(("any-machine", {"alertname": "MachineDown"}))
    keys = {
        (found.cluster, found.key)
        for name in ("one", "two")
        for cluster in ("lab", "prod")
        for found in [place(alert(name=name, cluster=cluster), known)]
    }
    assert len(keys) == 4
    assert place(alert(severity="warning"), known) == place(alert(), known)


def test_shared_labels_are_those_that_all_have() -> None:
    assert shared_labels([]) == {}
    assert shared_labels([{"a": "1", "b": "2"}, {"a": "1", "b": "3"}]) == {"a": "1"}


@given(st.lists(st.sampled_from(list(Severity)), min_size=1))
def test_the_highest_severity_counts(severities: list[Severity]) -> None:
    assert (highest(severities) is Severity.CRITICAL) == (Severity.CRITICAL in severities)


LATER = START + timedelta(minutes=1)
UNHEALED = Page(when=PageWhen.UNHEALED, after=timedelta(minutes=5))
AT_ONCE = Page(when=PageWhen.AT_ONCE)


@pytest.mark.parametrize(
    ("page", "severity", "escalation", "acted", "expected"),
    [
        (AT_ONCE, Severity.WARNING, None, False, START),
        (UNHEALED, Severity.CRITICAL, None, False, START + timedelta(minutes=5)),
        (UNHEALED, Severity.CRITICAL, Escalation.BY_DESIGN, False, START + timedelta(minutes=5)),
        (UNHEALED, Severity.CRITICAL, Escalation.STUCK, False, LATER),
        (UNHEALED, Severity.WARNING, None, False, None),
        (UNHEALED, Severity.WARNING, Escalation.BY_DESIGN, True, None),
        (UNHEALED, Severity.WARNING, Escalation.STUCK, False, None),
        (UNHEALED, Severity.WARNING, Escalation.STUCK, True, LATER),
    ],
)
def test_when_a_page_is_due(
    page: Page, severity: Severity, escalation: Escalation | None, acted: bool, expected: Any
) -> None:
    found = page_at(page, severity, START, LATER, escalation=escalation, acted=acted)
    assert found == expected


def test_progress_survives_the_journal() -> None:
    progress = Progress(phase=Phase.VERIFY, step=3, healthy_since=START, blocked_by="budget")
    assert Progress.from_json(progress.to_json()) == progress
    assert Progress.from_json("{}") == Progress()


def test_an_event_is_the_same_however_it_was_delivered() -> None:
    one: Alert = alert()
    assert one.event_key("a") == replace(one, annotations={"x": "y"}).event_key("a")
    assert one.event_key("a") != one.event_key("b")
    assert one.event_key("a") != replace(one, status=AlertStatus.RESOLVED).event_key("a")
