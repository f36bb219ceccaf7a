"""The journal gone, silent, read-only or full: nothing is done, and people are paged without it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.journal_faults import JOURNAL_FAULTS, PAGED_WITHIN, page_without_journal
from support.postgres import PostgresServer

#: Tried on every run, with less patience; all others, and these with production's, in reliability.
ALWAYS = ("SQLite full", "PostgreSQL silent")


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A server that may be stopped."""
    server = PostgresServer()
    yield server
    server.stop()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("fault", ALWAYS)
def test_no_effect_starts_without_a_journal_and_a_page_leaves(
    tmp_path: Path, own_server: PostgresServer, fault: str
) -> None:
    assert page_without_journal(tmp_path, fault, own_server, alarm_after=1) < PAGED_WITHIN


@pytest.mark.reliability
@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", JOURNAL_FAULTS)
def test_the_page_leaves_in_time(tmp_path: Path, own_server: PostgresServer, fault: str) -> None:
    assert page_without_journal(tmp_path, fault, own_server) < PAGED_WITHIN
