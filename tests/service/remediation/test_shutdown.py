"""A remediator that is asked to end ends in seconds, whatever hangs; what it leaves is taken up again."""

from __future__ import annotations

import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from airwarden.remediation.app import STOP_WITHIN
from support.crashing import Order, Process
from support.eventually import eventually
from support.faulted import FAULTED
from support.outside import Outside

ACTION = "process.restart"
#: Seconds beyond the promise that a busy machine may take.
SLACK = 5.0


@pytest.fixture
def outside() -> Iterator[Outside]:
    made = Outside()
    FAULTED[ACTION].arrange(made)
    yield made
    made.close()


@pytest.fixture
def order(tmp_path: Path, outside: Outside) -> Order:
    return Order(tmp_path, f"sqlite:///{tmp_path / 'journal.db'}", outside.address, ACTION)


def half_a_request(port: int) -> socket.socket:
    """Begin a request whose body never ends."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=5)
    head = "POST /api/v1/alerts HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"
    connection.sendall(head.encode())
    return connection


def end(process: Process) -> int | None:
    process.signal(signal.SIGTERM)
    return process.wait_dead(within=STOP_WITHIN + SLACK)


def test_it_ends_while_a_dependency_hangs_the_journal_is_locked_and_a_client_waits(
    outside: Outside, order: Order, tmp_path: Path
) -> None:
    process = Process(order)
    try:
        with outside.mutex, closing(half_a_request(process.port)):
            # Nothing outside answers from here on, and the check of the fault waits for it.
            assert process.fire() == 200
            eventually(lambda: process.states() == ["REMEDIATING"], within=30, what="it is at work")
            with closing(sqlite3.connect(tmp_path / "journal.db", timeout=30)) as locked:
                locked.execute("BEGIN IMMEDIATE")
                assert end(process) == 0
    finally:
        process.stop()
    heir = Process(order)
    try:
        eventually(lambda: heir.states() == ["RESOLVED"], within=60, what="it is taken up again")
        assert len(outside.effects()) == 1
        assert end(heir) == 0
    finally:
        heir.stop()
