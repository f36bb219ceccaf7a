"""The database refuses, for each of the three machines, every transition that its table lacks."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import pytest
from sqlalchemy import Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from airwarden.remediation.actions.base import Danger
from airwarden.remediation.decide.states import TRANSITIONS, AttemptState, IncidentState, RunState
from airwarden.remediation.journal import tables
from airwarden.remediation.journal.store import Journal, Tx, open_journal
from support.engine import START, VirtualClock

STATES: dict[str, type[StrEnum]] = {
    "incident": IncidentState,
    "run": RunState,
    "attempt": AttemptState,
}


@pytest.fixture
def journal(journal_url: str) -> Iterator[Journal]:
    opened = open_journal(journal_url, VirtualClock(), database_time=False)
    yield opened
    opened.close()


def row(machine: str, number: int, state: str) -> dict[str, Any]:
    """Return a row in that state; of its own key, so that as many as wanted fit."""
    times = {"started_at": START}
    match machine:
        case "incident":
            return {
                "id": number,
                "cluster": "lab",
                "correlation_key": str(number),
                "playbook": "book",
                "title": "t",
                "state": state,
                "severity": "critical",
                "mode": "auto",
                "labels": "{}",
                "opened_at": START,
                "updated_at": START,
                "dedup_key": str(number),
                **times,
            }
        case "run":
            return {
                "id": number,
                "cluster": "lab",
                "incident_id": 9000,
                "playbook_sha": "a" * 64,
                "generation": number,
                "mode": "auto",
                "state": state,
                "fault_since": START,
                "deadline": START,
                "next_at": START,
                **times,
            }
        case _:
            return {
                "id": number,
                "cluster": "lab",
                "run_id": 9000,
                "step_seq": number,
                "step_id": "s",
                "attempt_no": 1,
                "idem_key": str(number),
                "target": "t",
                "action": "a",
                "danger": Danger.B,
                "state": state,
                "fence_token": 1,
                "summary": "s",
                "before_json": "{}",
                "request_json": "{}",
                "created_at": START,
                "deadline": 5.0,
            }


def prepare(tx: Tx) -> None:
    version = {"name": "book", "mode": "auto", "danger_class": "B", "body": "{}"}
    tx.connection.execute(
        insert(tables.playbook_version).values(sha256="a" * 64, first_used_at=START, **version)
    )
    tx.connection.execute(insert(tables.incident).values(**row("incident", 9000, "OPEN")))
    tx.connection.execute(insert(tables.run).values(**row("run", 9000, "PLANNED")))


@pytest.mark.parametrize("machine", sorted(TRANSITIONS))
def test_only_the_pairs_of_the_table_pass(journal: Journal, machine: str) -> None:
    table: Table = getattr(tables, machine)
    states = list(STATES[machine])
    passed: dict[StrEnum, set[StrEnum]] = {old: set() for old in states}
    with journal.write() as tx:
        prepare(tx)
        for number, (old, new) in enumerate(((o, n) for o in states for n in states), 1):
            tx.connection.execute(insert(table).values(**row(machine, number, old)))
            try:
                with tx.connection.begin_nested():
                    tx.connection.execute(
                        update(table).where(table.c.id == number).values(state=new)
                    )
                    passed[old].add(new)
            except IntegrityError:
                passed[old].discard(new)
    wanted = {old: {old, *TRANSITIONS[machine][old]} for old in states}
    assert passed == wanted


def test_pairs_of_a_later_version_are_added_at_its_start(journal_url: str) -> None:
    """And what a version does not know stays: another one may be at work beside it."""
    journal = open_journal(journal_url, VirtualClock(), database_time=False)
    pair = {"machine": "run", "old_state": "PLANNED", "new_state": "GATED"}
    foreign = {"machine": "run", "old_state": "PLANNED", "new_state": "UNKNOWN"}
    with journal.write() as tx:
        where = (tables.transition.c[name] == value for name, value in pair.items())
        tx.connection.execute(delete(tables.transition).where(*where))
        tx.connection.execute(insert(tables.transition).values(**foreign))
    journal.close()
    journal = open_journal(journal_url, VirtualClock(), database_time=False)
    with journal.read() as tx:
        kept = {tuple(one) for one in tx.connection.execute(select(tables.transition))}
    journal.close()
    assert {tuple(pair.values()), tuple(foreign.values())} <= kept
