"""A leader that is at work without a pause keeps its lease: its own transactions do not hold renewals up."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from airwarden.remediation.journal import lease
from airwarden.remediation.journal.store import Fence, FencedError, Journal, open_journal
from support.eventually import eventually
from support.postgres import FreshDatabase
from support.remediator import RealClock

#: The leader's threads, and seconds of each of their transactions.
THREADS, LASTS = 6, 0.15


@pytest.fixture
def journal(fresh_database: FreshDatabase) -> Iterator[Journal]:
    opened = open_journal(fresh_database().sqlalchemy_url, RealClock())
    yield opened
    opened.close()


def acquire(journal: Journal, holder: str = "me", ttl: float = 15.0) -> Fence | None:
    with journal.write(urgent=True) as tx:
        return lease.acquire(tx, holder, ttl, free=lambda _: True)


def test_a_busy_leader_renews_its_lease(journal: Journal) -> None:
    fence = acquire(journal)
    assert fence is not None
    over, begun = threading.Event(), threading.Barrier(THREADS + 1)

    def work(number: int) -> None:
        begun.wait(10)
        # One after the other: at every moment some of them are in the middle of something.
        over.wait(LASTS * number / THREADS)
        while not over.is_set():
            with journal.lead(fence) as tx:
                tx.connection.execute(text(f"SELECT pg_sleep({LASTS})"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        begun.wait(10)
        for _ in range(8):
            over.wait(LASTS / 2)
            began = journal.elapsed()
            assert acquire(journal) == fence
            assert journal.elapsed() - began < 1.0
    finally:
        over.set()
        for thread in threads:
            thread.join(10)


def test_a_takeover_waits_for_what_the_leader_is_in_the_middle_of(journal: Journal) -> None:
    fence = acquire(journal)
    assert fence is not None
    taken: list[Fence | None] = []
    with journal.lead(fence):
        heir = threading.Thread(target=lambda: taken.append(acquire(journal, "heir")))
        heir.start()
        eventually(lambda: _waits(journal), within=5, what="the heir waits for a lock")
        assert taken == []
    heir.join(10)
    assert taken == [Fence("heir", fence.token + 1)]
    with pytest.raises(FencedError), journal.lead(fence):
        pass


def _waits(journal: Journal) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with journal.read() as tx:
        return bool(tx.connection.execute(text(query)).scalar_one())
