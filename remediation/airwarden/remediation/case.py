"""What the engine works with: its parts, and one run with everything read about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

from airwarden.remediation import records
from airwarden.remediation.actions.base import Action
from airwarden.remediation.calls import Calls
from airwarden.remediation.checks.base import Check, Reading, Verdict
from airwarden.remediation.decide.calendar import Window
from airwarden.remediation.decide.correlate import PlaybookSet, shared_labels
from airwarden.remediation.decide.progress import Progress
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.states import Mode
from airwarden.remediation.journal import incidents, rails, runs
from airwarden.remediation.journal.incidents import Incident
from airwarden.remediation.journal.rails import Switch
from airwarden.remediation.journal.runs import Attempt, Run
from airwarden.remediation.journal.store import Journal, Tx
from airwarden.remediation.leadership import Leadership
from airwarden.remediation.modes import mode_for
from airwarden.remediation.playbook import CheckUse, Playbook, Remedy, Step, Verify
from airwarden.remediation.poll import Poller
from airwarden.remediation.telemetry import Telemetry
from airwarden.remediation.world import Subject, World

#: Seconds that one check or plan may take; each of its own calls has a shorter deadline.
READ_DEADLINE = 20.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What every piece of the engine is given.

    Attributes:
        worlds: The clusters' ports, by name, as configured now.
        playbooks: The set in force now.
        poller: None where no Alertmanager is configured.
        random: Source of jitter; seeded in tests.
        kill_switch_file: While it exists, nothing is done.
        windows: The windows that the settings name.
    """

    journal: Journal
    leadership: Leadership
    worlds: Callable[[], Mapping[str, World]]
    playbooks: Callable[[], PlaybookSet]
    actions: Mapping[str, Action]
    checks: Mapping[str, Check]
    calls: Calls
    telemetry: Telemetry
    poller: Poller | None = None
    random: Random = field(default_factory=Random)
    kill_switch_file: Path | None = None
    windows: Callable[[], Sequence[Window]] = tuple

    def read_check(self, world: World, subject: Subject, use: CheckUse) -> Reading:
        """Read a check with a deadline; whatever goes wrong is `UNKNOWN`, never healthy."""
        check = self.checks.get(use.check)
        if check is None:
            return Reading(Verdict.UNKNOWN, f"there is no check named {use.check!r}")
        missing = sorted(need for need in check.needs if not world.has(need))
        if missing:
            return Reading(
                Verdict.UNKNOWN, f"check {use.check} needs {', '.join(missing)}: not configured"
            )
        try:
            return self.calls.run(
                lambda: check.read(world, subject, use.parameters), deadline=READ_DEADLINE
            )
        except Exception as error:  # a check's own mistake must not read as healthy either
            return Reading(Verdict.UNKNOWN, f"check {use.check}: {error or type(error).__name__}")


@dataclass(frozen=True, slots=True)
class Case:
    """One run and its incident as they were read, at `now`; replaced after each write."""

    run: Run
    incident: Incident
    book: Playbook
    rails: Rails
    mode: Mode
    world: World
    subject: Subject
    progress: Progress
    attempts: tuple[Attempt, ...]
    firing: bool
    now: datetime

    @property
    def remedy(self) -> Remedy:
        """The remedy that this run is an attempt of."""
        return self.book.ordered[self.progress.remedy]

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of its remedy; of all of them where what is left in force is taken back."""
        return self.book.all_steps if self.progress.restoring else self.remedy.steps

    @property
    def verify(self) -> Verify | None:
        """What its healing is verified by."""
        return self.remedy.verify or self.book.verify

    @property
    def acted(self) -> bool:
        """Whether this run has done an effect, or may have."""
        return any(a.state.name in ("CONFIRMED", "STARTED", "UNKNOWN") for a in self.attempts)

    def save(self, tx: Tx, *, progress: Progress | None = None, **fields: Any) -> Case:
        """Write the run's progress and fields; returns the case as it is then."""
        progress = progress or self.progress
        state = fields.pop("state", None)
        fields["progress"] = progress.to_json()
        run = (
            runs.change(tx, self.run, **fields)
            if state is None or state is self.run.state
            else runs.move(tx, self.run, state, **fields)
        )
        return replace(self, run=run, progress=progress, now=tx.now)

    def say(self, tx: Tx, action: str, sentence: str, **facts: Any) -> None:
        """Add a line to the incident's story."""
        records.say(tx, self.incident, action, sentence, run=self.run.id, **facts)


def effective(parts: Parts, switches: list[Switch], name: str, cluster: str) -> Mode:
    """Return the mode in force for a playbook by name; `off` for one that is gone."""
    return mode_for(parts.playbooks().by_name.get(name), switches, cluster)


def by_hand_mode(mode: Mode) -> Mode:
    """Return the mode of a run that a person orders: their yes is needed, and `off` stays off."""
    return mode if mode is Mode.OFF else Mode.APPROVE


def mode_of(parts: Parts, switches: list[Switch], run: Run, playbook: str, by: str) -> Mode:
    """Return the mode in force for a run of a playbook, ordered `by` somebody or begun by alerts."""
    mode = effective(parts, switches, playbook, run.cluster)
    return by_hand_mode(mode) if by else mode


def open_case(parts: Parts, tx: Tx, run_id: int) -> Case | None:
    """Read everything about a run; None where its cluster is no longer configured here."""
    run = runs.get(tx, run_id)
    one = incidents.get(tx, run.incident_id)
    world = parts.worlds().get(run.cluster)
    if world is None:
        return None
    members = records.firing(tx, one)
    labels = [member.alert.labels for member in members]
    progress = Progress.from_json(run.progress)
    subject = Subject(
        incident_id=str(one.id),
        playbook=one.playbook,
        labels=shared_labels(labels) if labels else dict(one.labels),
        started_at=run.fault_since,
        alert_names=tuple(sorted({member.alert.name for member in members})),
        alerts=tuple(labels) or ((dict(one.labels),) if progress.by else ()),
    )
    return Case(
        run=run,
        incident=one,
        book=runs.pinned_playbook(tx, run.playbook_sha),
        rails=parts.playbooks().rails_of(one.playbook),
        mode=mode_of(parts, rails.switches(tx), run, one.playbook, progress.by),
        world=world,
        subject=subject,
        progress=progress,
        attempts=tuple(runs.attempts_of_run(tx, run.id)),
        # What a person orders is wanted as long as nobody ends it.
        firing=bool(members) or bool(progress.by),
        now=tx.now,
    )
