"""The three state machines (incident, run, attempt), their allowed transitions, and the modes.

This is the one place that says which transition is legal. Every transition is one compare-and-set that
was looked up here first; the journal holds the same pairs in a table, and its triggers refuse all others.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar, cast


class Mode(StrEnum):
    """What a playbook may do; the effective mode is the lowest of file and switches."""

    OFF = "off"
    SHADOW = "shadow"
    APPROVE = "approve"
    AUTO = "auto"

    @property
    def rank(self) -> int:
        """0 for the most careful."""
        return list(Mode).index(self)


def effective_mode(*modes: Mode) -> Mode:
    """Return the lowest of the given modes; `shadow` when none is given."""
    return min(modes, key=lambda mode: mode.rank, default=Mode.SHADOW)


class IncidentState(StrEnum):
    """Where an incident stands."""

    OPEN = "OPEN"
    TRIAGE = "TRIAGE"
    SUPPRESSED = "SUPPRESSED"
    STORM_HOLD = "STORM_HOLD"
    NO_PLAYBOOK = "NO_PLAYBOOK"
    REMEDIATING = "REMEDIATING"
    STABILIZING = "STABILIZING"
    ESCALATED = "ESCALATED"
    HUMAN_OWNED = "HUMAN_OWNED"
    REOPENED = "REOPENED"
    RESOLVED = "RESOLVED"
    CLOSED = "CLOSED"

    @property
    def terminal(self) -> bool:
        """True where nothing more happens unless the fault comes back."""
        return self in (IncidentState.RESOLVED, IncidentState.CLOSED)


class RunState(StrEnum):
    """Where one run of a playbook stands."""

    PLANNED = "PLANNED"
    SHADOW_DONE = "SHADOW_DONE"
    GATED = "GATED"
    WAIT_APPROVAL = "WAIT_APPROVAL"
    RESERVED = "RESERVED"
    EXECUTING = "EXECUTING"
    VERIFYING = "VERIFYING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    ABORTED = "ABORTED"
    UNKNOWN = "UNKNOWN"

    @property
    def terminal(self) -> bool:
        """True where the run is over."""
        return self in (
            RunState.SHADOW_DONE,
            RunState.SUCCEEDED,
            RunState.FAILED,
            RunState.ABORTED,
            RunState.UNKNOWN,
        )


class AttemptState(StrEnum):
    """Where one attempt of one effect stands."""

    INTENT = "INTENT"
    STARTED = "STARTED"
    CONFIRMED = "CONFIRMED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"
    NOT_DONE = "NOT_DONE"
    UNDECIDABLE = "UNDECIDABLE"

    @property
    def settled(self) -> bool:
        """True where it is known, or known to be unknowable, what happened."""
        return self not in (AttemptState.INTENT, AttemptState.STARTED, AttemptState.UNKNOWN)


_I = IncidentState
INCIDENT_TRANSITIONS: Mapping[IncidentState, frozenset[IncidentState]] = {
    _I.OPEN: frozenset({_I.TRIAGE}),
    _I.TRIAGE: frozenset(
        {_I.SUPPRESSED, _I.STORM_HOLD, _I.NO_PLAYBOOK, _I.REMEDIATING, _I.ESCALATED, _I.RESOLVED}
    ),
    _I.SUPPRESSED: frozenset({_I.TRIAGE, _I.CLOSED}),
    _I.STORM_HOLD: frozenset({_I.TRIAGE, _I.ESCALATED}),
    _I.NO_PLAYBOOK: frozenset({_I.ESCALATED}),
    _I.REMEDIATING: frozenset(
        {_I.STABILIZING, _I.ESCALATED, _I.HUMAN_OWNED, _I.RESOLVED, _I.CLOSED}
    ),
    _I.STABILIZING: frozenset(
        {_I.RESOLVED, _I.REMEDIATING, _I.ESCALATED, _I.HUMAN_OWNED, _I.CLOSED}
    ),
    _I.ESCALATED: frozenset({_I.HUMAN_OWNED, _I.RESOLVED, _I.CLOSED}),
    # Given back, it is looked at as if it were new, or seen to its end.
    _I.HUMAN_OWNED: frozenset({_I.TRIAGE, _I.ESCALATED, _I.RESOLVED, _I.CLOSED}),
    _I.RESOLVED: frozenset({_I.REOPENED}),
    _I.REOPENED: frozenset({_I.TRIAGE}),
    _I.CLOSED: frozenset(),
}

_R = RunState
_ENDS = frozenset({_R.FAILED, _R.ABORTED})
RUN_TRANSITIONS: Mapping[RunState, frozenset[RunState]] = {
    _R.PLANNED: _ENDS
    | {_R.SHADOW_DONE, _R.GATED, _R.WAIT_APPROVAL, _R.RESERVED, _R.VERIFYING, _R.SUCCEEDED},
    # A gate opens by planning anew: what was refused a minute ago may be another plan now.
    _R.GATED: _ENDS | {_R.PLANNED, _R.WAIT_APPROVAL, _R.RESERVED, _R.SHADOW_DONE, _R.VERIFYING},
    _R.WAIT_APPROVAL: _ENDS | {_R.PLANNED, _R.GATED, _R.RESERVED, _R.SHADOW_DONE, _R.VERIFYING},
    _R.RESERVED: _ENDS | {_R.EXECUTING, _R.PLANNED, _R.UNKNOWN},
    # Back to PLANNED: the next effect or step of the same run.
    _R.EXECUTING: _ENDS | {_R.PLANNED, _R.VERIFYING, _R.UNKNOWN},
    # Back to PLANNED: nothing was done, and the fault is there after all.
    _R.VERIFYING: _ENDS | {_R.SUCCEEDED, _R.PLANNED},
    _R.SHADOW_DONE: frozenset(),
    _R.SUCCEEDED: frozenset(),
    _R.FAILED: frozenset(),
    _R.ABORTED: frozenset(),
    _R.UNKNOWN: frozenset(),
}

_A = AttemptState
ATTEMPT_TRANSITIONS: Mapping[AttemptState, frozenset[AttemptState]] = {
    # An intent that never started was certainly not sent: `STARTED` is committed before the call.
    _A.INTENT: frozenset({_A.STARTED, _A.NOT_DONE}),
    _A.STARTED: frozenset({_A.CONFIRMED, _A.FAILED, _A.UNKNOWN}),
    _A.UNKNOWN: frozenset({_A.CONFIRMED, _A.NOT_DONE, _A.UNDECIDABLE}),
    _A.CONFIRMED: frozenset(),
    _A.FAILED: frozenset(),
    _A.NOT_DONE: frozenset(),
    _A.UNDECIDABLE: frozenset(),
}

#: The three tables by the name of the journal's table whose column `state` they rule.
TRANSITIONS: Mapping[str, Mapping[StrEnum, frozenset[StrEnum]]] = {
    "incident": cast("Mapping[StrEnum, frozenset[StrEnum]]", INCIDENT_TRANSITIONS),
    "run": cast("Mapping[StrEnum, frozenset[StrEnum]]", RUN_TRANSITIONS),
    "attempt": cast("Mapping[StrEnum, frozenset[StrEnum]]", ATTEMPT_TRANSITIONS),
}

S = TypeVar("S", IncidentState, RunState, AttemptState)


def allowed(table: Mapping[S, frozenset[S]], old: S, new: S) -> bool:
    """Return whether the table has the transition `old` → `new`."""
    return new in table[old]
