"""The breaker of each playbook in each cluster: counted where runs end, probed by one run.

The state is the journal's and the counting pybreaker's, in the transaction that ends the run. What
pybreaker cannot do, since a run outlives every call and every process, is its probe: half-open is granted
to one run, by compare-and-set, in the transaction that writes that run's first intent.
"""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pybreaker

from airwarden.remediation.breakers import SharedStorage, over
from airwarden.remediation.case import Case
from airwarden.remediation.decide.resting import Rest
from airwarden.remediation.decide.states import RunState
from airwarden.remediation.journal.breakers import TxBreakers
from airwarden.remediation.journal.store import FencedError, Tx
from airwarden.remediation.world import BreakerRecord, BreakerState

_FAILED = (RunState.FAILED, RunState.UNKNOWN)


class _NotHelpedError(Exception):
    """A run acted and did not help."""


def _name(case: Case) -> str:
    return f"{case.run.cluster}/playbook/{case.incident.playbook}"


def _left(record: BreakerRecord, case: Case) -> timedelta:
    return case.rails.playbook_rest - timedelta(seconds=record.opened_age or 0.0)


def seen(tx: Tx, case: Case) -> Rest | None:
    """Return the rest that holds this run back; None where nothing does."""
    record = TxBreakers(tx).load(_name(case))
    left = _left(record, case)
    if record.state is BreakerState.CLOSED or left <= timedelta(0):
        return None
    if record.state is BreakerState.HALF_OPEN:
        return None if record.probe == case.run.id else Rest(left, record.probe)
    return Rest(left)


def probe(tx: Tx, case: Case) -> None:
    """Let this run be the probe, if the breaker is open and its rest over.

    Raises:
        FencedError: Another run was granted it in the same instant.
    """
    breakers = TxBreakers(tx)
    record = breakers.load(_name(case))
    if record.state is BreakerState.CLOSED or _left(record, case) > timedelta(0):
        return
    if not breakers.change(record, state=BreakerState.HALF_OPEN, reopened=True, probe=case.run.id):
        raise FencedError(f"another run probes {record.name}")


def count(tx: Tx, case: Case, ended: RunState) -> None:
    """Count how a run ended that acted; what was refused or aborted says nothing of the remedy."""
    if not case.acted or case.progress.restoring or case.rails.playbook_failures == 0:
        return
    if ended is not RunState.SUCCEEDED and ended not in _FAILED:
        return
    breakers = TxBreakers(tx)
    record = breakers.load(_name(case))
    ours = record.rev if record.probe == case.run.id else None
    breaker = over(
        SharedStorage(breakers, record.name, granted=ours),
        failures=case.rails.playbook_failures,
        timeout=case.rails.playbook_rest.total_seconds(),
    )

    def result() -> None:
        if ended in _FAILED:
            raise _NotHelpedError

    # While it rests, the end of a run that began before says nothing new.
    with contextlib.suppress(_NotHelpedError, pybreaker.CircuitBreakerError):
        breaker.call(result)
