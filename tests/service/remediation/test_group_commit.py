"""Deliveries that are stored together, on either journal; and a journal that swallows the answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import select

from airwarden.core.errors import UnavailableError
from airwarden.remediation.intake import delivery
from airwarden.remediation.journal import inbox
from airwarden.remediation.journal.inbox import InboxWriter
from airwarden.remediation.journal.store import Journal, open_journal
from airwarden.remediation.journal.tables import inbox as inbox_table
from support.engine import VirtualClock
from support.eventually import eventually
from support.postgres import FreshDatabase
from support.proxy import FreezableProxy
from support.remediator import RealClock


@pytest.fixture
def journal(journal_url: str) -> Iterator[Journal]:
    opened = open_journal(journal_url, VirtualClock(), database_time=False)
    yield opened
    opened.close()


def test_what_waits_together_is_stored_once_each_and_every_arrival_is_counted(
    journal: Journal,
) -> None:
    one, two, three = (delivery(body, 2) for body in (b"one", b"two \0 \xff", b""))
    writer = InboxWriter(journal)
    assert writer.put_all([two, one, two, one, two]) == [True, True, False, False, False]
    assert writer.put_all([three, one]) == [True, False]
    assert writer.put_all([]) == []
    with journal.read() as tx:
        seen = select(inbox_table.c.delivery_hash, inbox_table.c.seen)
        assert {row.delivery_hash: row.seen for row in tx.connection.execute(seen)} == {
            one.digest: 3,
            two.digest: 3,
            three.digest: 1,
        }
        assert sorted(stored.body for stored in inbox.take(tx)) == [b"", b"one", b"two \0 \xff"]
        assert inbox.backlog(tx).alerts == 6


def test_large_bodies_are_stored_in_portions(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "_COPIED", 1000)
    many = [delivery(b"%d" % number * size, 1) for number, size in enumerate((10, 990, 3000, 1, 1))]
    assert InboxWriter(journal).put_all([*many, many[2]]) == [*[True] * 5, False]
    with journal.read() as tx:
        assert {stored.body for stored in inbox.take(tx)} == {one.body for one in many}


def test_one_that_was_set_aside_has_another_chance(journal: Journal) -> None:
    writer, poison = InboxWriter(journal), delivery(b"poison", 1)
    writer.put(poison)
    for _ in range(inbox.MAX_ATTEMPTS):
        with journal.write() as tx:
            stored = select(
                *(inbox_table.c[n] for n in ("id", "source", "body", "received_at", "attempts"))
            )
            inbox.fail(tx, inbox.Stored(*tx.connection.execute(stored).one()), "why")
    with journal.read() as tx:
        assert inbox.backlog(tx).set_aside == 1
    assert writer.put_all([delivery(b"other", 1), poison]) == [True, False]
    with journal.read() as tx:
        assert (inbox.backlog(tx).set_aside, inbox.backlog(tx).deliveries) == (0, 2)


def test_replicas_that_store_the_same_in_other_orders_do_not_wait_for_each_other(
    journal: Journal,
) -> None:
    writer = InboxWriter(journal)
    for turn in range(4):
        same = [delivery(b"%d/%d" % (turn, number), 1) for number in range(300)]
        start = threading.Barrier(4)

        def store(order: list[inbox.Delivery], start: threading.Barrier = start) -> list[bool]:
            start.wait(10)
            return writer.put_all(order)

        with ThreadPoolExecutor(4) as pool:
            news = list(pool.map(store, [same, same[::-1], same[150:] + same[:150], same]))
        assert sum(map(sum, news)) == len(same)


def test_a_commit_whose_answer_is_swallowed_is_cut_off(fresh_database: FreshDatabase) -> None:
    database = fresh_database()
    proxy = FreezableProxy(database.port)
    journal = open_journal(replace(database, port=proxy.port).sqlalchemy_url, RealClock())
    given_up = threading.Event()

    def commit() -> None:
        try:
            with journal.write() as tx:
                inbox.put_all(tx, [delivery(b"body", 1)])
                proxy.freeze()
        except UnavailableError:
            given_up.set()

    def cut_off() -> bool:
        journal.cut_overdue(0.5)
        return given_up.is_set()

    threading.Thread(target=commit, daemon=True).start()
    try:
        eventually(cut_off, within=8, promised=True, what="the transaction is given up")
    finally:
        proxy.thaw()
        proxy.close()
        journal.close()
