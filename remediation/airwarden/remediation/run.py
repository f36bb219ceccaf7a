"""One run, one step of it at a time: confirm the fault, do the steps, verify the healing.

`advance` does at most one outside thing and writes what came of it; killed at any point, the next call
finds its way from the journal alone.
"""

from __future__ import annotations

from datetime import timedelta

from airwarden.remediation import ends
from airwarden.remediation.case import Case, Parts, open_case
from airwarden.remediation.confirming import Confirming
from airwarden.remediation.crash import crash_at
from airwarden.remediation.decide.progress import Phase
from airwarden.remediation.decide.states import IncidentState
from airwarden.remediation.journal import runs
from airwarden.remediation.results import Results
from airwarden.remediation.stepping import Steps
from airwarden.remediation.verifying import Verifying

#: How long a run rests whose cluster was taken out of the configuration.
_ABSENT_CLUSTER = timedelta(minutes=1)
_OURS = (IncidentState.REMEDIATING, IncidentState.STABILIZING)


class Runner:
    """Advances runs."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._confirming = Confirming(parts)
        self._steps = Steps(parts)
        self._verifying = Verifying(parts)
        self._results = Results(parts)

    def advance(self, run_id: int) -> None:
        """Do the next thing of a run.

        Raises:
            FencedError: This process no longer leads, or somebody else changed the run.
            UnavailableError: The journal does not answer; nothing was begun.
        """
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            case = open_case(self._parts, tx, run_id)
            if case is None:
                runs.look_at(tx, run_id, _ABSENT_CLUSTER)
        if case is None or case.run.state.terminal or case.run.next_at > case.now:
            return
        unsettled = [attempt for attempt in case.attempts if not attempt.state.settled]
        if unsettled:
            self._results.settle(case, unsettled[0])
        elif case.incident.state not in _OURS and not self._restores(case):
            with self._parts.journal.lead(self._parts.leadership.fence) as tx:
                who = case.incident.owner
                reason = f"{who} has the incident" if who else "its incident is in other hands"
                ends.abort(tx, case, reason)
        else:
            self._by_phase(case)

    def _restores(self, case: Case) -> bool:
        return case.progress.restoring and case.incident.state is IncidentState.ESCALATED

    def _mends(self, case: Case) -> bool:
        """Return whether it takes back or mends what a fault left that is over."""
        return case.progress.restoring or case.progress.aftermath

    def _by_phase(self, case: Case) -> None:
        if case.progress.phase is Phase.VERIFY:
            self._verifying.advance(case)
            crash_at("after-verify")
        elif case.now > case.run.deadline:
            with self._parts.journal.lead(self._parts.leadership.fence) as tx:
                ends.escalate(self._parts, tx, case, f"not done within {case.book.deadline}")
        elif not case.firing and not case.acted and not self._mends(case):
            self._verifying.begin_over(case, "its alerts ended before anything was done")
        elif case.progress.phase is Phase.CONFIRM:
            self._confirming.advance(case)
        else:
            self._steps.advance(case)
