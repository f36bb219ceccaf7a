"""The rails about what goes on around, and the waves of a step, as pure decisions."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airwarden.remediation.actions.base import Effect
from airwarden.remediation.decide.around import Around
from airwarden.remediation.decide.guards import Patience, judge
from airwarden.remediation.decide.holds import (
    blocking,
    changed_lately,
    clock_offset,
    out_of_bounds,
)
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.ramp import Tally, stop_reason, wave_to_verify, waves
from support.engine import START, alert
from support.guards import facts

RAILS = Rails()


@pytest.mark.parametrize(
    ("around", "guard", "patience"),
    [
        ({"protected": "process/airwarden*"}, "protected", Patience.STOP),
        ({"targets": 151}, "fan-out", Patience.STOP),
        ({"replaced": True}, "generation", Patience.WAIT),
        ({"changed": ["the schema changed"]}, "rollout", Patience.HOLD),
        ({"blockers": ["NodePressure"]}, "block-on", Patience.WAIT),
        ({"journal_lag": 5.1}, "journal-lag", Patience.WAIT),
        ({"clock_offsets": [("the metadata database", -2.1)]}, "clock", Patience.WAIT),
        ({"reverted": 2}, "fight", Patience.STOP),
    ],
)
def test_each_rail_refuses_what_it_guards_against(
    around: dict[str, Any], guard: str, patience: Patience
) -> None:
    refusal = judge(facts(Around(**around)), RAILS)
    assert refusal is not None
    assert (refusal.guard, refusal.patience) == (guard, patience)
    assert refusal.reason


@pytest.mark.parametrize(
    "around",
    [
        {"targets": 150},
        {"journal_lag": 5.0},
        {"clock_offsets": [("the metadata database", 2.0), ("the journal's database", -2.0)]},
        {"reverted": 1},
    ],
)
def test_what_is_just_within_goes(around: dict[str, Any]) -> None:
    assert judge(facts(Around(**around)), RAILS) is None


@pytest.mark.parametrize(
    "around", [{"changed": ["the schema changed"]}, {"blockers": ["X"]}, {"reverted": 9}]
)
def test_the_way_back_stays_open(around: dict[str, Any]) -> None:
    assert judge(facts(Around(**around), undo=True), RAILS) is None


@pytest.mark.parametrize(
    ("target", "before", "forbidden"),
    [
        ("lab/process/airwarden-exporter", {}, True),
        ("lab/process/platform:airwarden", {}, True),
        ("lab/process/legacy-worker", {}, True),
        ("lab/process/scheduler", {}, False),
        ("lab/k8s/kube-system/pod/coredns", {}, True),
        ("lab/k8s/airflow/pod/scheduler-0", {}, False),
        ("lab/db-session/4711", {"application": "airwarden-remediator"}, True),
        ("lab/db-session/4711", {"application": "reporting"}, False),
        # A cluster may have any name: it is no part of what is matched.
        ("airwarden/pool/default_pool", {}, False),
    ],
)
def test_what_is_out_of_bounds(target: str, before: dict[str, str], forbidden: bool) -> None:
    effect = Effect("any", target, {}, before, "do it")
    assert bool(out_of_bounds(effect, ["process/legacy-*"])) is forbidden


def test_which_alerts_block() -> None:
    wanted = [{"alertname": "NodePressure", "severity": "critical"}]
    pressure = alert("NodePressure")
    mild = alert("NodePressure", severity="warning")
    silenced = replace(pressure, suppressed_by=("s1",))
    elsewhere = alert("NodePressure", cluster="other")
    anywhere = replace(
        pressure, labels={k: v for k, v in pressure.labels.items() if k != "cluster"}
    )

    def found(*shown: Any, own: tuple[str, ...] = ()) -> list[str]:
        return blocking(shown, wanted, cluster="lab", own=own)

    assert found(pressure) == ["NodePressure"]
    assert found(anywhere) == ["NodePressure"]
    assert found(mild, silenced, elsewhere) == []
    assert found(pressure, own=(pressure.fingerprint,)) == []
    assert blocking([pressure], [], cluster="lab", own=()) == []


def test_a_clock_is_off_only_by_what_the_reading_cannot_explain() -> None:
    later = START + timedelta(seconds=3)
    assert clock_offset(START, START + timedelta(seconds=2), later) == 0.0
    assert clock_offset(START, START - timedelta(seconds=5), later) == -5.0
    assert clock_offset(START, START + timedelta(seconds=10), later) == 7.0


def test_a_change_of_version_is_told_for_a_while() -> None:
    hold = timedelta(minutes=10)
    assert changed_lately("the schema", "b", "a", None, START, hold) == ""
    told = changed_lately("the schema", "b", "a", START - timedelta(minutes=9), START, hold)
    assert told == "the schema changed from a to b 9.0 minutes ago"
    assert changed_lately("the schema", "b", "a", START - hold, START, hold) == ""


@pytest.mark.parametrize(
    ("total", "ends"),
    [
        (1, [1]),
        (3, [3]),
        (4, [1, 4]),
        (12, [1, 6, 11, 12]),
        (100, [1, 6, 16, 26, 36, 46, 56, 66, 76, 86, 96, 100]),
        (500, [1, 26, 76, 126, 176, 226, 276, 326, 376, 426, 476, 500]),
    ],
)
def test_the_waves(total: int, ends: list[int]) -> None:
    assert waves(total, RAILS) == ends


@given(st.integers(1, 1000))
def test_each_wave_is_verified_once_before_the_next(total: int) -> None:
    verified, looks = 0, []
    for done in range(total + 1):
        end = wave_to_verify(done, total, verified, RAILS)
        if end is not None:
            looks.append(end)
            verified = end
    assert looks == [end for end in waves(total, RAILS) if end < total]
    sizes = [b - a for a, b in pairwise([0, *waves(total, RAILS)])]
    assert total < RAILS.ramp_from or sizes[0] == 1
    assert all(size <= max(total // 10, RAILS.ramp_least) for size in sizes[1:])


def test_the_canary_must_succeed_and_later_few_may_fail() -> None:
    assert stop_reason(Tally(1, 0), 1, RAILS) == ""
    assert stop_reason(Tally(1, 1), 1, replace(RAILS, ramp_errors_percent=100))
    assert stop_reason(Tally(20, 2), 20, RAILS) == ""
    assert stop_reason(Tally(20, 3), 20, RAILS)
