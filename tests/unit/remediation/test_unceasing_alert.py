"""An alert that never stops reaches a person, whatever the live state reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airwarden.remediation.decide.states import IncidentState
from support.engine import Bench

pytestmark = pytest.mark.thorough


@pytest.fixture
def bench(memory_path: Path) -> Iterator[Bench]:
    made = Bench(f"sqlite:///{memory_path / 'journal.db'}")
    yield made
    made.close()


@pytest.mark.reliability
def test_one_page_for_an_alert_that_fires_on_while_all_reads_healthy(bench: Bench) -> None:
    one = bench.fire()
    bench.machine.healthy = True
    bench.run(7200, poll_every=60)
    assert bench.state() is IncidentState.ESCALATED
    assert [event.action for event in bench.recorder.events] == ["trigger"]
    assert "never stopped" in bench.incident.reason
    bench.clear(one)
    bench.run(300)
    assert bench.state() is IncidentState.RESOLVED
    assert [event.action for event in bench.recorder.events] == ["trigger", "resolve"]
    assert bench.machine.restarts == 0


def test_an_alert_that_is_slow_to_clear_after_a_remedy_pages_nobody(bench: Bench) -> None:
    one = bench.fire()
    bench.run(900)
    bench.clear(one)
    bench.run(900)
    assert bench.machine.restarts == 1
    assert bench.state() is IncidentState.RESOLVED
    assert bench.recorder.events == []
