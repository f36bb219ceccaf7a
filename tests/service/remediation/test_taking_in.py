"""What comes at once is taken in at once: statements over many alerts, on either journal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import Connection, Engine, event, func, select
from sqlalchemy.engine.interfaces import DBAPICursor, ExecutionContext

from airwarden.core.alerts import AlertStatus
from airwarden.remediation.journal.tables import alert as alert_table
from airwarden.remediation.journal.tables import alert_event
from airwarden.remediation.storms import is_storm
from support.engine import Bench, alert

#: Statements for a hundred alerts that a storm takes, and room for what else a turn does.
MOST_PER_HUNDRED = 20


@pytest.fixture
def bench(journal_url: str) -> Iterator[Bench]:
    made = Bench(journal_url)
    yield made
    made.close()


@contextmanager
def statements(bench: Bench) -> Iterator[list[str]]:
    """Gather the statements that reach the database, each row of PostgreSQL's for itself."""
    seen: list[str] = []

    def note(
        connection: Connection,
        _cursor: DBAPICursor,
        statement: str,
        parameters: object,
        _context: ExecutionContext,
        many: bool,
    ) -> None:
        rows = parameters if isinstance(parameters, list) else [parameters]
        # SQLite prepares the statement once; psycopg sends it once for each row.
        seen.extend([statement] * (len(rows) if many and bench.journal.file is None else 1))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def test_statements_do_not_grow_with_the_alerts_of_a_storm(bench: Bench) -> None:
    bench.machine.healthy = False
    fired = [alert(name=f"t{number}", starts=bench.clock.now()) for number in range(600)]
    bench.deliver(*fired[:100])
    bench.turn()
    assert [one for one in bench.incidents() if is_storm(one)]
    bench.deliver(*fired[100:])
    with statements(bench) as seen:
        bench.turn()
    with bench.journal.read() as tx:
        query = select(func.count()).where(alert_table.c.incident_id.is_not(None))
        assert tx.connection.execute(query).scalar_one() == 600
    assert len(seen) < 5 * MOST_PER_HUNDRED


def test_an_event_that_comes_twice_in_one_delivery_is_counted(bench: Bench) -> None:
    bench.machine.healthy = False
    one, other = alert(starts=bench.clock.now()), alert(name="b", starts=bench.clock.now())
    bench.deliver(one, other, one, one)
    bench.turn()
    bench.deliver(one)
    bench.turn()
    with bench.journal.read() as tx:
        query = select(alert_event.c.fingerprint, alert_event.c.n_seen)
        seen = {row.fingerprint: row.n_seen for row in tx.connection.execute(query)}
    assert seen == {one.fingerprint: 4, other.fingerprint: 1}


def test_an_end_that_comes_twice_in_one_delivery_ends_it_once(bench: Bench) -> None:
    bench.machine.healthy = False
    one = alert(starts=bench.clock.now())
    bench.deliver(one)
    bench.turn()
    bench.clock.advance(10)
    ended = replace(one, status=AlertStatus.RESOLVED, ends_at=bench.clock.now())
    bench.deliver(ended, ended)
    bench.turn()
    with bench.journal.read() as tx:
        query = select(alert_table.c.status, alert_table.c.ended_at)
        assert tx.connection.execute(query).one() == ("resolved", ended.ends_at)
