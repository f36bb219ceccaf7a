"""An alert that ends is not a fault that ended: people hear of what still is sick, or cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from airwarden.core.errors import UnavailableError
from airwarden.remediation.decide.states import IncidentState
from airwarden.remediation.journal.tables import alert as alert_table
from support.engine import Bench

pytestmark = pytest.mark.thorough


@pytest.fixture
def bench(memory_path: Path) -> Iterator[Bench]:
    bench = Bench(f"sqlite:///{memory_path / 'journal.db'}")
    yield bench
    bench.close()


def test_what_still_reads_sick_is_paged_for_although_its_alert_ended(bench: Bench) -> None:
    one = bench.fire()
    bench.run(5)
    bench.clear(one)
    bench.run(600)
    assert bench.state() is IncidentState.ESCALATED
    assert len(bench.paged()) == 1
    bench.machine.healthy = True
    bench.run(120)
    assert bench.state() is IncidentState.RESOLVED
    assert len(bench.paged("resolve")) == 1


def test_what_cannot_be_read_is_paged_for_although_its_alert_ended(bench: Bench) -> None:
    one = bench.fire()
    bench.run(5)
    bench.clear(one)
    bench.machine.unreadable = True
    bench.run(600)
    assert bench.state() is IncidentState.ESCALATED
    assert len(bench.paged()) == 1


def test_what_healed_as_its_alert_ended_is_not(bench: Bench) -> None:
    one = bench.fire()
    bench.run(5)
    bench.clear(one)
    bench.machine.healthy = True
    bench.run(600)
    assert bench.state() is IncidentState.RESOLVED
    assert bench.paged() == []


def status(bench: Bench) -> str:
    with bench.journal.read() as tx:
        return str(tx.connection.execute(select(alert_table.c.status)).scalar_one())


def poll_for(bench: Bench, seconds: int) -> None:
    for _ in range(0, seconds, 15):
        bench.clock.advance(15)
        bench.turn()
        bench.poller.poll(bench.leadership.fence)
    bench.turn()


def test_an_alertmanager_that_comes_back_empty_ends_no_alert_before_it_was_watched(
    bench: Bench,
) -> None:
    one = bench.fire()
    poll_for(bench, 30)
    bench.alertmanager.down = True
    for _ in range(20):
        with pytest.raises(UnavailableError):
            poll_for(bench, 15)
    # It has started anew, and Prometheus has not told it yet what fires.
    bench.alertmanager.down, bench.alertmanager.shown = False, []
    poll_for(bench, 60)
    assert status(bench) == "firing"
    bench.alertmanager.shown = [one]
    poll_for(bench, 150)
    assert status(bench) == "firing"
    bench.alertmanager.shown = []
    poll_for(bench, 105)
    assert status(bench) == "firing"
    poll_for(bench, 45)
    assert status(bench) == "resolved"
