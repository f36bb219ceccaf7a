"""What a remedy that ended early left in force, and the run that takes it back once all is well."""

from __future__ import annotations

from collections.abc import Sequence

from airwarden.remediation import records
from airwarden.remediation.case import Parts
from airwarden.remediation.decide.progress import Phase, Progress
from airwarden.remediation.decide.states import AttemptState
from airwarden.remediation.joining import begin_run, highest_danger
from airwarden.remediation.journal import runs
from airwarden.remediation.journal.incidents import Incident
from airwarden.remediation.journal.runs import Attempt, Run
from airwarden.remediation.journal.store import Tx
from airwarden.remediation.playbook import Playbook, UndoStep


def left_in_force(book: Playbook, attempts: Sequence[Attempt]) -> list[Attempt]:
    """Return the effects done that the playbook would have taken back and did not."""
    undone = {a.undo_of for a in attempts if a.state is AttemptState.CONFIRMED and a.undo_of}
    reversible = {step.undo for step in book.all_steps if isinstance(step, UndoStep)}
    return [
        a
        for a in attempts
        if a.state is AttemptState.CONFIRMED
        and a.undo_of is None
        and a.step_id in reversible
        and a.id not in undone
    ]


def restore(parts: Parts, tx: Tx, one: Incident) -> bool:
    """Begin the run that takes leftovers back; returns False where nothing is left to do.

    It is tried once per episode: what then still stands is in the page, for a person.
    """
    loaded = parts.playbooks().by_name.get(one.playbook)
    all_runs = [r for r in runs.of_incident(tx, one.id) if r.episode == one.recurrence]
    if loaded is None or any(not run.state.terminal for run in all_runs):
        return any(not run.state.terminal for run in all_runs)
    if not all_runs or any(_restores(run) for run in all_runs):
        return False
    book = runs.pinned_playbook(tx, all_runs[-1].playbook_sha)
    left = left_in_force(book, runs.attempts_of_incident(tx, one.id))
    if not left:
        return False
    begin_run(
        tx,
        one,
        loaded,
        danger=highest_danger(parts.actions, loaded.playbook),
        progress=Progress(phase=Phase.STEPS, restoring=True),
    )
    what = "; ".join(attempt.summary for attempt in left)
    records.say(tx, one, "run", f"All is well again; what was left in force is taken back: {what}.")
    return True


def standing(tx: Tx, one: Incident) -> list[Attempt]:
    """Return what is still in force although the run that was to take it back is over."""
    all_runs = [r for r in runs.of_incident(tx, one.id) if r.episode == one.recurrence]
    failed = [
        run
        for run in all_runs
        if _restores(run)
        and run.state.terminal
        # One that came as far as verifying has taken back all that was ours to take back.
        and Progress.from_json(run.progress).phase is not Phase.VERIFY
    ]
    if not failed:
        return []
    book = runs.pinned_playbook(tx, failed[-1].playbook_sha)
    return left_in_force(book, runs.attempts_of_incident(tx, one.id))


def _restores(run: Run) -> bool:
    return Progress.from_json(run.progress).restoring
