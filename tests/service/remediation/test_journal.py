"""What the journal promises, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from airwarden.core.errors import UnavailableError, WrongInputError
from airwarden.remediation.decide.states import IncidentState, Mode
from airwarden.remediation.intake import delivery
from airwarden.remediation.journal import audit, inbox, incidents, lease, rails
from airwarden.remediation.journal.connect import connect, parse_url
from airwarden.remediation.journal.inbox import InboxWriter
from airwarden.remediation.journal.migrate import configuration, newest_revision, revisions
from airwarden.remediation.journal.rails import BudgetUse
from airwarden.remediation.journal.store import (
    Fence,
    FencedError,
    Journal,
    Tx,
    await_journal,
    open_journal,
)
from airwarden.remediation.journal.tables import audit as audit_table
from airwarden.remediation.journal.tables import audit_head, budget, metadata
from support.engine import START, VirtualClock
from support.postgres import FreshDatabase
from support.proxy import FreezableProxy
from support.remediator import RealClock


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def journal(journal_url: str, clock: VirtualClock) -> Iterator[Journal]:
    opened = open_journal(journal_url, clock, database_time=False)
    yield opened
    opened.close()


def lead(journal: Journal, holder: str = "me", ttl: float = 15) -> Fence:
    with journal.write() as tx:
        fence = lease.acquire(tx, holder, ttl)
    assert fence is not None
    return fence


def open_incident(tx: Tx, **changes: Any) -> incidents.Incident:
    fields: dict[str, Any] = {
        "cluster": "lab",
        "correlation_key": "book/name=one",
        "playbook": "book",
        "title": "t",
        "severity": "critical",
        "mode": Mode.AUTO,
        "labels": {},
        "started_at": START,
        "dedup_key": "d",
    }
    return incidents.open_new(tx, **{**fields, **changes})


def say(journal: Journal, sentence: str) -> None:
    with journal.write() as tx:
        audit.append(tx, actor="ada", action="note", object="incident/1", sentence=sentence)


def test_the_revisions_make_exactly_the_tables_of_the_code(
    journal: Journal, journal_url: str
) -> None:
    engines = connect(journal_url)
    with engines.reader.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engines.dispose()


def test_only_its_owner_reads_the_journals_file(tmp_path: Path) -> None:
    engines = connect(f"sqlite:///{tmp_path}/journal.db")
    with engines.writer.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE note (said TEXT)")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    engines.dispose()
    assert "journal.db-wal" in modes
    assert set(modes.values()) == {0o600}


def test_many_that_start_at_once_migrate_once(journal_url: str, clock: VirtualClock) -> None:
    def start(_: int) -> None:
        open_journal(journal_url, clock).close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(start, range(8)))
    opened = open_journal(journal_url, clock)
    with opened.read() as tx:
        assert tx.connection.execute(select(audit_head.c.seq)).scalars().all() == [0]
    opened.close()


def test_a_schema_from_the_future_is_refused(
    journal: Journal, journal_url: str, clock: VirtualClock
) -> None:
    with journal.write() as tx:
        tx.connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(WrongInputError, match=r"9999.*newer Airwarden"):
        open_journal(journal_url, clock)


def test_a_schema_that_only_adds_is_worked_with_while_an_upgrade_rolls(
    journal: Journal, journal_url: str, clock: VirtualClock
) -> None:
    with journal.write() as tx:
        tx.connection.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    older = open_journal(journal_url, clock, database_time=False)
    assert lead(older)
    older.close()
    with journal.read() as tx:
        now = tx.connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    assert now == "0999"


def test_the_revisions_are_one_line_in_the_order_of_their_files() -> None:
    scripts = ScriptDirectory.from_config(configuration())
    assert [script.revision for script in scripts.walk_revisions()] == revisions()[::-1]
    assert scripts.get_heads() == [newest_revision()]


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://localhost/x", "sqlite://", "sqlite:///:memory:"]
)
def test_a_url_that_is_no_journal_is_refused_without_its_secret(url: str) -> None:
    with pytest.raises(WrongInputError, match="journal"):
        parse_url(url)


def test_a_database_that_is_not_there_is_unavailable(clock: VirtualClock) -> None:
    with pytest.raises(UnavailableError) as caught:
        open_journal("postgresql+psycopg://ada:s3cret@127.0.0.1:1/none", clock)
    assert "s3cret" not in str(caught.value)


def test_a_database_that_comes_late_is_waited_for(fresh_database: FreshDatabase) -> None:
    database = fresh_database()
    proxy = FreezableProxy(database.port)
    proxy.refuse()
    url = replace(database, port=proxy.port).sqlalchemy_url
    try:
        with pytest.raises(UnavailableError):
            await_journal(url, RealClock(), patience=0)
        late = threading.Timer(0.5, proxy.admit)
        late.start()
        await_journal(url, RealClock(), patience=30).close()
        late.join()
    finally:
        proxy.close()


def test_the_audit_is_a_chain_that_only_grows(journal: Journal) -> None:
    for number in range(3):
        say(journal, f"line {number}")
    with journal.read() as tx:
        assert [entry.sentence for entry in audit.entries(tx)] == ["line 0", "line 1", "line 2"]
        assert list(audit.broken_links(tx)) == []
    for statement in (
        update(audit_table).values(actor="eve"),
        delete(audit_table).where(audit_table.c.seq == 2),
    ):
        with (
            pytest.raises((UnavailableError, IntegrityError), match="append-only"),
            journal.write() as tx,
        ):
            tx.connection.execute(statement)


def _without_triggers(tx: Tx) -> None:
    if tx.postgresql:
        tx.connection.execute(text("ALTER TABLE audit DISABLE TRIGGER ALL"))
        return
    for verb in ("UPDATE", "DELETE"):
        tx.connection.execute(text(f"DROP TRIGGER audit_no_{verb}"))


@pytest.mark.parametrize(
    ("tampering", "told"),
    [
        (update(audit_table).where(audit_table.c.seq == 2).values(actor="eve"), "was changed"),
        (delete(audit_table).where(audit_table.c.seq == 2), "entry 2 is missing"),
        (delete(audit_table).where(audit_table.c.seq == 3), "entries were cut off"),
    ],
)
def test_tampering_with_the_audit_shows(journal: Journal, tampering: Any, told: str) -> None:
    for number in range(3):
        say(journal, f"line {number}")
    with journal.write() as tx:
        _without_triggers(tx)
        tx.connection.execute(tampering)
    with journal.read() as tx:
        assert any(told in fault for fault in audit.broken_links(tx))


def test_writers_at_once_keep_the_chain_whole(journal: Journal) -> None:
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: say(journal, f"line {n}"), range(30)))
    with journal.read() as tx:
        assert len(audit.entries(tx)) == 30
        assert list(audit.broken_links(tx)) == []


def test_one_open_incident_per_key_and_cluster(journal: Journal) -> None:
    with journal.write() as tx:
        one = open_incident(tx)
        open_incident(tx, cluster="prod")
    with pytest.raises(IntegrityError), journal.write() as tx:
        open_incident(tx)
    with journal.write() as tx:
        one = incidents.move(tx, one, IncidentState.TRIAGE)
        incidents.move(tx, one, IncidentState.RESOLVED, ended_at=tx.now)
        open_incident(tx)


def test_a_transition_that_the_table_lacks_is_refused_twice(journal: Journal) -> None:
    with journal.write() as tx:
        one = open_incident(tx)
    with pytest.raises(ValueError, match="no transition"), journal.write() as tx:
        incidents.move(tx, one, IncidentState.RESOLVED)
    with pytest.raises((IntegrityError, DBAPIError)), journal.write() as tx:
        tx.connection.execute(text("UPDATE incident SET state = 'HAPPY'"))


def test_a_lost_compare_and_set_drops_the_work(journal: Journal) -> None:
    with journal.write() as tx:
        seen = open_incident(tx)
    with journal.write() as tx:
        incidents.change(tx, seen, reason="first")
    with pytest.raises(FencedError), journal.write() as tx:
        incidents.change(tx, seen, reason="second")
    with journal.read() as tx:
        assert incidents.get(tx, seen.id).reason == "first"


def test_the_lease_has_one_holder_and_its_token_grows(
    journal: Journal, clock: VirtualClock
) -> None:
    first = lead(journal, "a")
    with journal.write() as tx:
        assert lease.acquire(tx, "b", 15) is None
    clock.advance(10)
    assert lead(journal, "a") == first
    clock.advance(14)
    with journal.write() as tx:
        assert lease.acquire(tx, "b", 15) is None
    clock.advance(2)
    second = lead(journal, "b")
    assert second.token == first.token + 1
    with pytest.raises(FencedError), journal.lead(first):
        pytest.fail("a fenced leader wrote")
    with journal.lead(second) as tx:
        assert tx.token == second.token


def test_a_lease_that_ran_out_fences_even_without_a_successor(
    journal: Journal, clock: VirtualClock
) -> None:
    fence = lead(journal)
    clock.advance(15)
    with pytest.raises(FencedError), journal.lead(fence):
        pytest.fail("wrote under a lease that ran out")


def test_a_released_lease_is_free_at_once(journal: Journal) -> None:
    fence = lead(journal, "a")
    with journal.write() as tx:
        lease.release(tx, fence)
    assert lead(journal, "b").token == fence.token + 1


def test_the_lease_is_taken_by_one_of_many(journal: Journal) -> None:
    barrier = threading.Barrier(6)

    def take(name: int) -> Fence | None:
        barrier.wait()
        with journal.write() as tx:
            return lease.acquire(tx, f"replica-{name}", 15)

    with ThreadPoolExecutor(6) as pool:
        found = [fence for fence in pool.map(take, range(6)) if fence is not None]
    assert len(found) == 1


def test_a_budget_is_never_overdrawn(journal: Journal) -> None:
    use = BudgetUse("target/x/hour", "lab", 3600, 3)

    def draw(_: int) -> bool:
        with journal.write() as tx:
            return rails.reserve(tx, [use]) is None

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(draw, range(12))) == 3
    with pytest.raises(IntegrityError), journal.write() as tx:
        tx.connection.execute(update(budget).values(used=99))


def test_a_new_window_has_a_new_budget(journal: Journal, clock: VirtualClock) -> None:
    use = BudgetUse("target/x/hour", "lab", 3600, 1)
    for expected in (True, False):
        with journal.write() as tx:
            assert (rails.reserve(tx, [use]) is None) is expected
    clock.advance(3600)
    with journal.write() as tx:
        assert rails.reserve(tx, [use]) is None


def test_a_lowered_limit_holds_at_once(journal: Journal) -> None:
    for _ in range(2):
        with journal.write() as tx:
            assert rails.reserve(tx, [BudgetUse("s", "lab", 3600, 5)]) is None
    with journal.write() as tx:
        assert rails.reserve(tx, [BudgetUse("s", "lab", 3600, 2)]) is not None


def test_a_target_is_locked_by_one_run_until_it_lets_go(
    journal: Journal, clock: VirtualClock
) -> None:
    fence = lead(journal, ttl=600)

    def take(run_id: int) -> bool:
        with journal.lead(fence) as tx:
            until = tx.now + timedelta(minutes=1)
            return rails.lock(tx, target="lab/x", cluster="lab", run_id=run_id, until=until)

    assert take(1)
    assert take(1)
    assert not take(2)
    with journal.lead(fence) as tx:
        rails.unlock(tx, 1)
    assert take(2)
    clock.advance(61)
    assert take(1)


def test_switches_end_when_they_say(journal: Journal, clock: VirtualClock) -> None:
    with journal.write() as tx:
        rails.set_switch(
            tx,
            scope="*",
            cluster="*",
            mode=Mode.SHADOW,
            set_by="ada",
            reason="r",
            until=tx.now + timedelta(minutes=5),
        )
    with journal.read() as tx:
        assert [one.mode for one in rails.switches(tx)] == [Mode.SHADOW]
    clock.advance(301)
    with journal.read() as tx:
        assert rails.switches(tx) == []


def test_the_same_delivery_is_stored_once_by_many_at_once(journal: Journal) -> None:
    writer = InboxWriter(journal)
    with ThreadPoolExecutor(16) as pool:
        news = list(pool.map(lambda n: writer.put(delivery(b"%d" % (n % 10), 1)), range(200)))
    assert sum(news) == 10
    with journal.read() as tx:
        assert inbox.backlog(tx).deliveries == 10
        assert len(inbox.take(tx, 100)) == 10


def test_a_processed_delivery_is_known_again_but_not_kept(journal: Journal) -> None:
    writer = InboxWriter(journal)
    writer.put(delivery(b"body", 1))
    with journal.write() as tx:
        inbox.finish(tx, inbox.take(tx)[0].id)
    assert writer.put(delivery(b"body", 1)) is False
    with journal.read() as tx:
        assert inbox.take(tx) == []


def test_a_delivery_that_cannot_be_processed_is_set_aside_in_the_end(
    journal: Journal, clock: VirtualClock
) -> None:
    InboxWriter(journal).put(delivery(b"body", 1))
    for _ in range(inbox.MAX_ATTEMPTS):
        with journal.write() as tx:
            inbox.fail(tx, inbox.take(tx)[0], "why")
        clock.advance(100)
    with journal.read() as tx:
        assert inbox.take(tx) == []


def test_a_time_without_a_zone_is_not_written(journal: Journal) -> None:
    with pytest.raises(UnavailableError), journal.write() as tx:
        tx.connection.execute(
            insert(budget).values(
                cluster="c", scope="s", window_start=START.replace(tzinfo=None), used=0, lim=1
            )
        )
