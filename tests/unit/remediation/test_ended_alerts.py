"""An alert that ends is not a fault that ended: people hear of what still is sick, or cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airwarden.remediation.decide.states import IncidentState
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
