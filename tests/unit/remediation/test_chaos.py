"""Everything goes wrong in random order, and the engine's invariants hold (reference: I1 to I7).

A short form here, the same with many more and longer examples in `make reliability`.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from airwarden.core.alerts import AlertStatus
from airwarden.remediation import work
from airwarden.remediation.journal import rails
from airwarden.remediation.switches import let_go, stop_everything
from support.chaos import (
    CLUSTERS,
    NAMES,
    ChaosBench,
    Died,
    Number,
    Platform,
    Unit,
    breaches,
    crash_points,
    judged_effect,
    unfinished,
)
from support.engine import FakeAlertmanager, Recorder, VirtualClock, alert

pytestmark = pytest.mark.thorough

places = st.tuples(st.sampled_from(CLUSTERS), st.sampled_from(NAMES))
kinds = st.sampled_from(["UnitDown", "NumberHot"])
#: Points at which no transaction is open, so that another process can be at work meanwhile.
FREEZE = ("after-plan", "after-intent", "after-start", "after-effect", "before-read-back")
POINTS = (*FREEZE, "after-result", "before-resolve", "after-verify", "after-triage", "before-send",
          "after-send", "after-inbox-commit")  # fmt: skip
FAULTS = ("rejected", "conflict", "request lost", "reply lost", "late", "limited", "bug")
rarely = st.sampled_from([False, False, False, True])


class Chaos(RuleBasedStateMachine):
    """Two remediators, two clusters of two units and two numbers each."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = contextlib.ExitStack()
        shared = Path("/dev/shm")
        folder = self._stack.enter_context(
            tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None)
        )
        self.url = f"sqlite:///{folder}/journal.db"
        self.clock = VirtualClock()
        self.platform = Platform(self.clock)
        for cluster in CLUSTERS:
            for name in NAMES:
                self.platform.units[cluster, name] = Unit()
                self.platform.numbers[cluster, name] = Number()
        self.alertmanager, self.recorder = FakeAlertmanager(), Recorder()
        self.armed: tuple[str, str] | None = None
        self.acting = 0
        self.failures: list[str] = []
        self._stack.enter_context(crash_points(self._point))
        self._watch_the_log()
        self.pair = [self._bench(), self._bench()]

    def _bench(self) -> ChaosBench:
        bench = ChaosBench(self.url, self.platform, self.recorder, self.alertmanager)
        self.platform.judge = judged_effect(bench, self.platform)
        return bench

    def _watch_the_log(self) -> None:
        """An unexpected error is a mistake of ours, even where the engine survives it."""
        patch = pytest.MonkeyPatch()
        self._stack.callback(patch.undo)
        failures = self.failures

        class Log:
            def exception(self, event: str, **facts: object) -> None:
                import traceback

                failures.append(f"{event} {facts}: {traceback.format_exc()}")

            def info(self, event: str, **facts: object) -> None: ...

            warning = debug = error = info

        patch.setattr(work, "_log", Log())

    def _point(self, name: str) -> None:
        if self.armed is None or self.armed[1] != name:
            return
        (what, _), self.armed = self.armed, None
        if what == "die":
            raise Died(name)
        # This one is frozen; the other goes on, and takes over when the lease has run out.
        other = self.pair[1 - self.acting]
        for _ in range(8):
            self.clock.advance(4)
            other.go()

    def _do(self, which: int, work: Callable[[], object]) -> None:
        """Let one of the two do something, and be replaced by a new process if it dies of it."""
        self.acting = which
        try:
            work()
        except Died:
            self.armed = None
            self.pair[which].drop()
            self.pair[which] = self._bench()

    # --- what happens -----------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        self._turn()

    @rule(seconds=st.sampled_from([1, 5, 11, 30, 70, 200]))
    def time_passes(self, seconds: int) -> None:
        end = self.clock.elapsed() + seconds
        while self.clock.elapsed() < end:
            self._turn()
            step = 2 if seconds <= 11 else 10
            self.clock.advance(min(step, end - self.clock.elapsed()))
        self._turn()

    @rule(
        place=places,
        stubborn=st.booleans(),
        fault=st.sampled_from(FAULTS),
        point=st.sampled_from(
            [("die", one) for one in POINTS] + [("freeze", one) for one in FREEZE]
        ),
        which=st.sampled_from(["fault", "point", "both"]),
    )
    def a_remedy_is_disturbed(
        self,
        place: tuple[str, str],
        stubborn: bool,
        fault: str,
        point: tuple[str, str],
        which: str,
    ) -> None:
        """The likeliest trouble, at once: a fault is being treated and something goes wrong in it."""
        if which != "point":
            self.platform.fault = fault
        if which != "fault":
            self.armed = (point[0], point[1])
        if stubborn:
            self.a_number_runs_hot(place=place, told=True)
        else:
            self.a_unit_breaks(place=place, stubborn=False, told=True)
        self.time_passes(seconds=70)

    @rule(place=places)
    def a_number_is_held_and_cools_down(self, place: tuple[str, str]) -> None:
        self.a_number_runs_hot(place=place, told=True)
        self.time_passes(seconds=70)
        self.platform.numbers[place].hot = False
        self.time_passes(seconds=30)

    def _turn(self) -> None:
        self.platform.arrive()
        for which, bench in enumerate(self.pair):
            self._do(which, bench.go)
        for which, bench in enumerate(self.pair):
            # Whichever leads: a silence that is over must not stay one because the other one does.
            self._do(which, bench.look_around)

    @rule()
    def the_other_one_is_first(self) -> None:
        self.pair.reverse()

    @rule(place=places, stubborn=st.booleans(), told=st.booleans())
    def a_unit_breaks(self, place: tuple[str, str], stubborn: bool, told: bool) -> None:
        unit = self.platform.units[place]
        unit.healthy, unit.stubborn = False, stubborn
        self._fire("UnitDown", place, told=told)

    @rule(place=places, told=st.booleans())
    def a_number_runs_hot(self, place: tuple[str, str], told: bool) -> None:
        self.platform.numbers[place].hot = True
        self._fire("NumberHot", place, told=told)

    @rule(kind=kinds, place=places)
    def a_false_alarm(self, kind: str, place: tuple[str, str]) -> None:
        self._fire(kind, place, told=True)

    def _fire(self, kind: str, place: tuple[str, str], *, told: bool) -> None:
        cluster, name = place
        one = alert(kind, name=name, cluster=cluster, starts=self.clock.now())
        shown = [a for a in self.alertmanager.shown if a.fingerprint == one.fingerprint]
        if shown:
            one = shown[0]
        else:
            self.alertmanager.shown.append(one)
        if told:
            self._do(0, lambda: self._deliver(one))

    def _deliver(self, *alerts: Any) -> None:
        with contextlib.suppress(Exception):  # Alertmanager sends again, or the poll finds it
            self.pair[0].deliver(*alerts)

    @rule(place=places)
    def all_heals_by_itself(self, place: tuple[str, str]) -> None:
        unit, number = self.platform.units[place], self.platform.numbers[place]
        unit.healthy, unit.stubborn, number.hot = True, False, False

    @rule(place=places, hot=st.booleans())
    def somebody_else_acts(self, place: tuple[str, str], hot: bool) -> None:
        if hot:
            self.platform.numbers[place].value = 7
        else:
            self.platform.units[place].generation += 1

    @rule(kind=kinds, place=places, healed=st.booleans(), told=st.booleans())
    def an_alert_ends(self, kind: str, place: tuple[str, str], healed: bool, told: bool) -> None:
        cluster, name = place
        prints = alert(kind, name=name, cluster=cluster).fingerprint
        mine = [a for a in self.alertmanager.shown if a.fingerprint == prints]
        self.alertmanager.shown = [a for a in self.alertmanager.shown if a not in mine]
        if healed:
            self.all_heals_by_itself(place)
        for one in mine:
            if told:
                over = replace(one, status=AlertStatus.RESOLVED, ends_at=self.clock.now())
                self._do(0, lambda over=over: self._deliver(over))  # type: ignore[misc]  # a default has no type

    @rule(silenced=st.booleans(), place=places)
    def somebody_silences(self, silenced: bool, place: tuple[str, str]) -> None:
        by = ("s1",) if silenced else ()
        self.alertmanager.shown = [
            replace(a, suppressed_by=by) if (a.cluster, a.labels["name"]) == place else a
            for a in self.alertmanager.shown
        ]

    @rule(fault=st.sampled_from(FAULTS))
    def the_next_effect_goes_wrong(self, fault: str) -> None:
        self.platform.fault = fault

    @rule(what=st.sampled_from(["before", "after"]), which=st.integers(0, 1))
    def the_journal_is_lost(self, what: str, which: int) -> None:
        self.pair[which].broken_journal = what

    @rule(point=st.sampled_from(POINTS))
    def it_will_die(self, point: str) -> None:
        self.armed = ("die", point)

    @rule(point=st.sampled_from(FREEZE))
    def it_will_freeze(self, point: str) -> None:
        self.armed = ("freeze", point)

    @rule()
    def it_is_killed_now(self) -> None:
        self.pair[0].drop()
        self.pair[0] = self._bench()

    @rule(unreadable=rarely, alertmanager=rarely)
    def nothing_answers(self, unreadable: bool, alertmanager: bool) -> None:
        self.platform.unreadable = unreadable
        self.alertmanager.down = alertmanager

    @rule(cluster=st.sampled_from([*CLUSTERS, rails.EVERYWHERE]), lasts=st.sampled_from([5, 70]))
    def somebody_says_stop_for_a_while(self, cluster: str, lasts: int) -> None:
        self._stop(cluster)
        self.time_passes(seconds=lasts)
        self._let_go()

    @rule(cluster=st.sampled_from([*CLUSTERS, rails.EVERYWHERE]))
    def somebody_says_stop(self, cluster: str) -> None:
        self._stop(cluster)

    def _stop(self, cluster: str) -> None:
        with contextlib.suppress(Exception), self.pair[0].journal.write() as tx:
            stop_everything(tx, set_by="ada", reason="test", cluster=cluster)

    @rule()
    def somebody_lets_go(self) -> None:
        self._let_go()

    def _let_go(self) -> None:
        self.pair[0].broken_journal = ""
        with self.pair[0].journal.write() as tx:
            for cluster in (*CLUSTERS, rails.EVERYWHERE):
                let_go(tx, by="ada", reason="test", cluster=cluster)

    @rule(seconds=st.sampled_from([-3600, -30, 30, 3600]))
    def the_wall_clock_jumps(self, seconds: int) -> None:
        self.clock.offset += timedelta(seconds=seconds)

    # --- what holds -------------------------------------------------------------------------------

    @invariant()
    def nothing_forbidden_has_happened(self) -> None:
        assert breaches(self.pair[0], self.platform) == []
        assert self.failures == []

    def teardown(self) -> None:
        """Everything answers again, some faults stay: all comes to an end that is right."""
        try:
            self._come_to_rest()
        finally:
            for bench in self.pair:
                bench.drop()
            self._stack.close()

    def _come_to_rest(self) -> None:
        self.armed, self.platform.fault = None, ""
        self.platform.unreadable = self.alertmanager.down = False
        self._let_go()
        for bench in self.pair:
            bench.broken_journal = ""
        self.alertmanager.shown = [replace(a, suppressed_by=()) for a in self.alertmanager.shown]
        for _ in range(400):
            for _ in range(6):
                self._turn()
                self.clock.advance(10)
            if not unfinished(self.pair[0], self.platform) and not self.platform.late:
                break
        assert unfinished(self.pair[0], self.platform) == [], "\n".join(self.pair[0].story()[-40:])
        self.nothing_forbidden_has_happened()


_COMMON = settings(
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    print_blob=True,
)


@pytest.mark.timeout(120)
def test_whatever_goes_wrong_the_invariants_hold() -> None:
    run_state_machine_as_test(
        Chaos,
        settings=settings(_COMMON, max_examples=4, stateful_step_count=40, derandomize=True),
    )


@pytest.mark.reliability
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("part", range(4))
def test_whatever_goes_wrong_the_invariants_hold_for_thousands_of_steps(part: int) -> None:
    class Counted(Chaos):
        steps = 0

        @invariant()
        def counted(self) -> None:
            Counted.steps += 1

    # Four parts, so that processes can share them; what is random differs from part to part. What fails is
    # told as it was found, with a blob to try it again: to make it shorter takes longer than the search.
    run_state_machine_as_test(
        Counted,
        settings=settings(
            _COMMON, max_examples=40, stateful_step_count=80, phases=(Phase.generate,)
        ),
    )
    print(f"part {part}: {Counted.steps} steps")
    assert Counted.steps > 1500
