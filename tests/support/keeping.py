"""Housekeeping on a bench: healed incidents, sweeps to their end, and what is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from airwarden.remediation.auditing import AuditTerms
from airwarden.remediation.decide.states import IncidentState
from airwarden.remediation.journal import tables
from airwarden.remediation.retention import RetentionTerms
from airwarden.remediation.upkeep import Upkeep
from support.engine import Bench

DAY = 86400.0


def keeper(bench: Bench, folder: Path, **terms: Any) -> Upkeep:
    return Upkeep(
        bench.journal,
        bench.leadership,
        bench.clock,
        AuditTerms(file=folder / "checkpoints"),
        RetentionTerms(folder / "archive", **{"batch": 5, **terms}),
    )


def sweep(bench: Bench, keeper: Upkeep) -> int:
    """Let the housekeeping come to the end of a sweep; returns its steps."""
    bench.leadership.step()
    before = keeper.state.swept_at
    for steps in range(2000):
        keeper.step()
        assert not keeper.state.trouble
        if keeper.state.swept_at != before:
            return steps
    pytest.fail("the sweep does not end")


def heal_one(bench: Bench, name: str) -> None:
    fired = bench.fire(name=name)
    bench.run(60)
    bench.clear(fired)
    bench.run(120)
    assert bench.state() is IncidentState.RESOLVED


def counts(bench: Bench) -> dict[str, int]:
    names = (
        "incident", "run", "attempt", "incident_alert", "alert", "alert_event", "outbox", "inbox",
        "audit", "budget", "playbook_version",
    )  # fmt: skip
    with bench.journal.read() as tx:
        return {
            name: tx.connection.execute(
                select(func.count()).select_from(tables.metadata.tables[name])
            ).scalar_one()
            for name in names
        }


def lines(folder: Path, pattern: str) -> list[str]:
    return [
        line
        for path in sorted((folder / "archive").glob(pattern))
        for line in path.read_text().splitlines()
    ]
