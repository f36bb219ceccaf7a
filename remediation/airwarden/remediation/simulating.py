"""A recorded alert history replayed through the engine itself, on a platform of paper, in virtual time.

Triage, incidents, storms, flapping, windows, budgets, cool-downs, waves and pages are the engine's own, on a
journal that is thrown away. What nobody recorded is assumed, and said: a fault is confirmed while its alert
fires; an action finds the target that the labels name and succeeds; its remedy helps; what is waited for
comes. Whatever needs the live platform (floors, shares of a fleet, an action's own refusals) cannot be told.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from airwarden.core.alerts import Alert, AlertStatus
from airwarden.remediation.actions.base import (
    Action,
    Danger,
    Effect,
    Nothing,
    Plan,
    ReadBack,
    Refused,
)
from airwarden.remediation.calls import InlineCalls
from airwarden.remediation.case import Parts
from airwarden.remediation.checks.base import Check, Reading, Verdict
from airwarden.remediation.decide.calendar import Window
from airwarden.remediation.decide.correlate import PlaybookSet, subject_words
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.states import AttemptState, IncidentState, Mode
from airwarden.remediation.engine import Engine
from airwarden.remediation.intake import poll_delivery
from airwarden.remediation.journal import alerts as stored
from airwarden.remediation.journal import audit, due, incidents, runs
from airwarden.remediation.journal.inbox import InboxWriter
from airwarden.remediation.journal.incidents import Incident, Wanted
from airwarden.remediation.journal.store import Journal, Tx, open_journal
from airwarden.remediation.leadership import Leadership
from airwarden.remediation.playbook import WaitStep
from airwarden.remediation.telemetry import Telemetry
from airwarden.remediation.triage import Triage
from airwarden.remediation.work import InlineCrew
from airwarden.remediation.world import Json, Subject, World

#: How long after the last event the engine goes on: waits end, pages fall due.
_AFTER = timedelta(hours=1)
#: Turns that may follow on one moment; more means that something does not come to rest.
_TURNS = 200
_LISTED = 1000
#: How often what waits is looked at; a real engine does so every few seconds.
_LOOK_EVERY = timedelta(minutes=1)
#: How sentences of an incident's story begin that say why it was not treated.
_REASONS = ("Left to people: ", "Handed to people: ", "Nothing (more) is done: ", "Not done: ")


@dataclass(frozen=True, slots=True)
class Simulated:
    """One incident that there would have been.

    Attributes:
        at: When its first alert was taken.
        ended_at: When it was over; None for not within the history.
        alerts: Name → how many of it.
        did: What would have been done, in order, with the moment.
        why_not: Why nothing was done, or nothing more; or empty.
        paged_at: When a person would have been paged; None for never.
        recurrences: How often it came back.
    """

    at: datetime
    ended_at: datetime | None
    cluster: str
    playbook: str
    title: str
    alerts: Mapping[str, int]
    did: tuple[tuple[datetime, str], ...]
    why_not: str
    paged_at: datetime | None
    recurrences: int


class _Past:
    """A clock that stands at a moment of the history."""

    def __init__(self, begin: datetime) -> None:
        self._begin, self._elapsed = begin, 0.0

    def now(self) -> datetime:
        return self._begin + timedelta(seconds=self._elapsed)

    def elapsed(self) -> float:
        return self._elapsed

    def wait(self, seconds: float) -> bool:
        self._elapsed += max(0.0, seconds)
        return False

    def go_to(self, moment: datetime) -> None:
        """Let time pass until then."""
        self._elapsed = max(self._elapsed, (moment - self._begin).total_seconds())


class _PaperAction:
    """An action that finds what the labels name, succeeds, and helps."""

    needs = frozenset[str]()
    deadline = 5.0
    decidable = True
    undecidable: tuple[str, ...] = ()

    def __init__(self, name: str, danger: Danger, acted: set[str]) -> None:
        self.name, self.danger, self._acted = name, danger, acted

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        """Plan one effect on what the labels name."""
        del parameters
        about = subject_words(subject.labels) or "the cluster"
        return Plan(
            (
                Effect(
                    self.name,
                    f"{world.cluster}/{self.name.partition('.')[0]}/{about}",
                    {"action": self.name},
                    {"incident": subject.incident_id},
                    f"{self.name} on {about}",
                ),
            )
        )

    def apply(self, world: World, effect: Effect) -> Json:
        """Note that the incident has been treated."""
        del world
        self._acted.add(str(effect.before["incident"]))
        return {}

    def read_back(self, world: World, effect: Effect) -> ReadBack:
        """Answer that it stands."""
        del world, effect
        return ReadBack.DONE

    def undo(self, world: World, effect: Effect) -> Plan | Nothing | Refused:
        """Answer that nothing is left to take back."""
        del world, effect
        return Nothing("on paper nothing stays in force")


class _PaperCheck:
    """A check that knows nothing but the alerts, and whether their incident was treated.

    What only a step waits for comes at once.
    """

    needs = frozenset[str]()

    def __init__(self, name: str, acted: set[str], *, confirms: bool, verifies: bool) -> None:
        self.name, self._acted = name, acted
        self._confirms, self._verifies = confirms, verifies

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Confirm while an alert fires; be well once none does, or the remedy was applied."""
        del world, parameters
        firing = bool(subject.alerts)
        if self._confirms:
            return Reading(_truth(firing), "its alerts fire" if firing else "no alert of it fires")
        if not self._verifies:
            return Reading(Verdict.TRUE, "assumed to have come")
        treated = subject.incident_id in self._acted
        said = "assumed well after the remedy" if treated and firing else "no alert of it fires"
        return Reading(_truth(treated or not firing), said if treated or not firing else "it fires")


def _truth(value: bool) -> Verdict:
    return Verdict.TRUE if value else Verdict.FALSE


class Simulation:
    """Replays a history.

    Args:
        playbooks: The set in force.
        actions: Name → action, for their dangers.
        windows: Maintenance, freezes and quiet hours of the settings.
        mode: Every playbook's, but for those that are off; None: as the settings say.
    """

    def __init__(
        self,
        playbooks: PlaybookSet,
        actions: Mapping[str, Action],
        windows: Sequence[Window] = (),
        *,
        mode: Mode | None = Mode.AUTO,
    ) -> None:
        self._playbooks = _coarse(playbooks if mode is None else _in_mode(playbooks, mode))
        self._actions, self._windows = actions, windows

    def run(self, history: Sequence[Alert]) -> list[Simulated]:
        """Return the incidents that there would have been, in the order in which they began.

        Args:
            history: Alerts with their beginnings, and their ends where they have ended.
        """
        events = sorted(_events(history), key=lambda one: one[0])
        if not events:
            return []
        with tempfile.TemporaryDirectory(prefix="airwarden-simulate-") as folder:
            clock = _Past(events[0][0])
            journal = open_journal(
                f"sqlite:///{Path(folder) / 'journal.db'}", clock, database_time=False
            )
            try:
                replay = _Replay(
                    journal,
                    clock,
                    self._playbooks,
                    self._actions,
                    self._windows,
                    {event.cluster for _, event in events},
                )
                try:
                    for moment, event in events:
                        replay.go_to(moment)
                        replay.deliver(event)
                    replay.go_to(events[-1][0] + _AFTER)
                    return replay.outcome()
                finally:
                    replay.end()
            finally:
                journal.close()


class _Replay:
    """The engine over one history."""

    def __init__(
        self,
        journal: Journal,
        clock: _Past,
        playbooks: PlaybookSet,
        actions: Mapping[str, Action],
        windows: Sequence[Window],
        clusters: set[str],
    ) -> None:
        self._journal, self._clock = journal, clock
        self._acted: set[str] = set()
        worlds = {name: World(name, clock) for name in clusters}
        paper: dict[str, Action] = {
            name: _PaperAction(name, action.danger, self._acted) for name, action in actions.items()
        }
        self._leadership = Leadership(journal, clock)
        self._writer = InboxWriter(journal)
        telemetry = Telemetry(lambda: worlds, lambda: self._leadership.leads)
        parts = Parts(
            journal=journal,
            leadership=self._leadership,
            worlds=lambda: worlds,
            playbooks=lambda: playbooks,
            actions=paper,
            checks=_paper_checks(playbooks, self._acted),
            calls=InlineCalls(),
            telemetry=telemetry,
            # Seeded: the same history tells the same story.
            random=Random(0),  # noqa: S311 - jitter
            windows=lambda: windows,
        )
        triage = Triage(journal, lambda: playbooks, lambda: worlds, paper, telemetry)
        self._engine = Engine(parts, triage, InlineCrew(clock), clock)
        self._over: set[int] = set()

    def deliver(self, event: Alert) -> None:
        """An alert begins or ends."""
        self._writer.put(poll_delivery([event], self._clock.now()))
        self._rest()

    def go_to(self, moment: datetime) -> None:
        """Let the engine do what falls due until then."""
        while (at := self._next()) is not None and at < moment:
            self._clock.go_to(at)
            self._rest()
        self._clock.go_to(moment)
        self._rest()

    def _rest(self) -> None:
        """Turn until nothing more is due at this moment."""
        for _ in range(_TURNS):
            if self._leadership.remaining() <= 5:
                self._leadership.step()
            self._engine.tick()
            self._end_what_is_healed()
            with self._journal.read() as tx:
                if not due.now(tx):
                    return

    def _next(self) -> datetime | None:
        with self._journal.read() as tx:
            return due.following(tx)

    def _end_what_is_healed(self) -> None:
        """A remedy that helped ends the alerts of its incident, whatever they did in the history."""
        ended: list[Alert] = []
        with self._journal.read() as tx:
            for one in _ended(tx):
                if one.id in self._over or str(one.id) not in self._acted:
                    continue
                firing = stored.of_incident(tx, one.id, firing=True)
                ended += [
                    replace(m.alert, status=AlertStatus.RESOLVED, ends_at=tx.now) for m in firing
                ]
        if ended:
            self._writer.put(poll_delivery(ended, self._clock.now()))

    def end(self) -> None:
        """Let go of the lease."""
        self._leadership.stop()

    def outcome(self) -> list[Simulated]:
        """Gather what became of it."""
        with self._journal.read() as tx:
            found = [_simulated(tx, one) for one in _every(tx)]
        return sorted(found, key=lambda one: (one.at, one.cluster, one.title))


def _ended(tx: Tx) -> list[Incident]:
    return incidents.search(tx, Wanted(states=(IncidentState.RESOLVED,), limit=50))


def _every(tx: Tx) -> list[Incident]:
    found: list[Incident] = []
    before = 0
    while page := incidents.search(tx, Wanted(limit=_LISTED, before=before)):
        found += page
        before = page[-1].id
    return found


def _simulated(tx: Tx, one: Incident) -> Simulated:
    names = Counter(member.alert.name for member in stored.of_incident(tx, one.id))
    did = tuple(
        (attempt.started_at or attempt.created_at, attempt.summary)
        for attempt in runs.attempts_of_incident(tx, one.id)
        if attempt.state is AttemptState.CONFIRMED
    )
    return Simulated(
        at=one.opened_at,
        ended_at=one.ended_at,
        cluster=one.cluster,
        playbook=one.playbook,
        title=one.title,
        alerts=dict(names),
        did=did,
        why_not=_why_not(tx, one),
        paged_at=one.paged_at,
        recurrences=one.recurrence,
    )


def _why_not(tx: Tx, one: Incident) -> str:
    """Return why nothing was done since the last effect: its story knows, also where all ended since."""
    for entry in reversed(list(audit.entries(tx, object=one.object))):
        if entry.sentence.startswith("Done: "):
            return ""
        for begins in _REASONS:
            if entry.sentence.startswith(begins):
                return entry.sentence.removeprefix(begins).removesuffix(".")
    return one.reason or f"it is {one.state} at the end of the history"


def _events(history: Sequence[Alert]) -> list[tuple[datetime, Alert]]:
    """Return each beginning and each end with its moment."""
    found: list[tuple[datetime, Alert]] = []
    for one in history:
        firing = replace(one, status=AlertStatus.FIRING, ends_at=None)
        found.append((one.starts_at, firing))
        if one.ends_at is not None:
            over = replace(one, status=AlertStatus.RESOLVED)
            found.append((max(one.ends_at, one.starts_at), over))
    return found


def _in_mode(playbooks: PlaybookSet, mode: Mode) -> PlaybookSet:
    by_name = {
        name: loaded if loaded.mode is Mode.OFF else replace(loaded, mode=mode)
        for name, loaded in playbooks.by_name.items()
    }
    return replace(playbooks, by_name=by_name)


def _coarse(playbooks: PlaybookSet) -> PlaybookSet:
    """Let what waits be looked at once a minute: days are replayed in seconds so."""

    def slower(rails: Rails) -> Rails:
        least = {
            "recheck": max(rails.recheck, _LOOK_EVERY),
            "verify_every": max(rails.verify_every, _LOOK_EVERY),
        }
        return rails.with_overrides(least)

    by_name = {
        name: replace(loaded, rails=slower(loaded.rails))
        for name, loaded in playbooks.by_name.items()
    }
    return replace(playbooks, by_name=by_name, rails=slower(playbooks.rails))


def _paper_checks(playbooks: PlaybookSet, acted: set[str]) -> dict[str, Check]:
    """Return a check of each name that a playbook uses, by what it is used for."""
    books = [loaded.playbook for loaded in playbooks.by_name.values()]
    confirming = {book.confirm.check for book in books if book.confirm}
    verifying = {book.verify.check for book in books if book.verify}
    verifying |= {one.verify.check for book in books for one in book.ordered if one.verify}
    waited = {
        step.wait.check for book in books for step in book.all_steps if isinstance(step, WaitStep)
    }
    return {
        name: _PaperCheck(name, acted, confirms=name in confirming, verifies=name in verifying)
        for name in confirming | verifying | waited
    }
