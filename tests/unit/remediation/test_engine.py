"""What the engine does for its users, on a real journal file and virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airwarden.remediation.decide.states import AttemptState, IncidentState
from airwarden.remediation.journal import audit
from support.engine import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(f"sqlite:///{tmp_path / 'journal.db'}")
    yield bench
    bench.close()


def test_a_sick_machine_is_restarted_once_and_verified(bench: Bench) -> None:
    bench.fire(name="one")
    bench.run(60)
    assert bench.machine.restarts == 1
    assert bench.incident.state is IncidentState.RESOLVED
    assert [a.state for a in bench.attempts()] == [AttemptState.CONFIRMED]
    assert bench.paged() == []
    assert len(bench.recorder.messages) == 1
    with bench.journal.read() as tx:
        assert list(audit.broken_links(tx)) == []
