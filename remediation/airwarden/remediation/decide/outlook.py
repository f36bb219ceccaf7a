"""What an incident's future holds: what is done next, when, and when a person is called. Pure."""

from __future__ import annotations

from datetime import datetime

from airwarden.remediation.decide.progress import Phase, Progress
from airwarden.remediation.decide.states import IncidentState
from airwarden.remediation.decide.view import AheadView
from airwarden.remediation.playbook import ActionStep, HumanStep, Playbook, Step, UndoStep, WaitStep


def of_run(
    book: Playbook, progress: Progress, next_at: datetime, asks_until: datetime | None
) -> AheadView:
    """Return what a run does next.

    Args:
        book: The playbook that it was begun with.
        progress: Where it is.
        next_at: When it is looked at again.
        asks_until: Until when it waits for a person's yes; None where it asks nobody.
    """
    if asks_until is not None:
        return AheadView(
            asks_until, "without a yes by then nothing is done, and a person is called"
        )
    if progress.phase is Phase.CONFIRM:
        then = f", then {_step(book.ordered[progress.remedy].steps[0])}" if book.ordered else ""
        return AheadView(next_at, f"it reads again whether the fault is there{then}")
    if progress.phase is Phase.VERIFY:
        return _verified(book, progress, next_at)
    steps = book.all_steps if progress.restoring else book.ordered[progress.remedy].steps
    if progress.step >= len(steps):
        return AheadView(next_at, "it verifies that the fault is gone")
    step = steps[progress.step]
    if progress.blocked_by and progress.blocked_by != step.id:
        return AheadView(next_at, f"it looks again whether it may ({progress.blocked_by})")
    again = "tries again to" if progress.blocked_by else "goes on to"
    return AheadView(next_at, f"it {again} {_step(step)}")


def _verified(book: Playbook, progress: Progress, next_at: datetime) -> AheadView:
    use = (book.ordered[progress.remedy].verify if book.ordered else None) or book.verify
    if use is None:
        return AheadView(next_at, "it looks whether its alerts are gone")
    if progress.healthy_since is not None:
        until = progress.healthy_since + use.stable
        return AheadView(until, "it is resolved if it has stayed healthy until then")
    since = progress.verify_since or next_at
    return AheadView(since + use.within, "by then it has to read healthy, or more is done")


def _step(step: Step) -> str:
    match step:
        case ActionStep():
            return f"do {step.action} ({step.id})"
        case WaitStep():
            return f"wait for {step.wait.check} ({step.id})"
        case UndoStep():
            return f"take {step.undo} back"
        case HumanStep():
            return f"call a person ({step.id})"


def of_rest(
    state: IncidentState, next_at: datetime | None, page_at: datetime | None, owner: str
) -> list[AheadView]:
    """Return what happens to an incident that no run works on, and when a person is paged."""
    found: list[AheadView] = []
    match state:
        case IncidentState.ESCALATED | IncidentState.NO_PLAYBOOK:
            said = (
                "nothing more is done by itself; it is resolved once it reads healthy and stays so"
            )
            found.append(AheadView(None, said))
        case IncidentState.HUMAN_OWNED:
            found.append(AheadView(None, f"nothing is done while {owner or 'a person'} has it"))
        case IncidentState.SUPPRESSED:
            found.append(AheadView(next_at, "it looks again whether it is still held back"))
        case IncidentState.STORM_HOLD:
            found.append(AheadView(None, "nothing is done until the storm is over"))
        case _:
            pass
    if page_at is not None:
        found.append(AheadView(page_at, "a person is paged, unless it is healed by then"))
    return found
