"""Three replicas with production's lease: whatever ends the leader, another acts in time, and once."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import pytest

from support.failover import EACH, FAULTS, MEDIAN, fail_over, freeze_in_the_middle
from support.postgres import FreshDatabase

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(900)]


@pytest.mark.parametrize("fault", FAULTS)
def test_another_replica_acts_in_time_and_once(
    tmp_path: Path, fresh_database: FreshDatabase, fault: str
) -> None:
    took = [fail_over(tmp_path / str(n), fresh_database(), fault, n).acted for n in range(5)]
    print("acted after", " ".join(f"{seconds:.1f}" for seconds in took), "s")
    assert median(took) < MEDIAN
    assert max(took) < EACH


@pytest.mark.parametrize("action", ["process.restart", "pool.hold", "tasks.requeue"])
@pytest.mark.parametrize("point", ["after-intent", "after-start"])
def test_a_leader_frozen_right_before_an_effect_does_not_send_it_when_it_wakes(
    tmp_path: Path, fresh_database: FreshDatabase, action: str, point: str
) -> None:
    took = freeze_in_the_middle(tmp_path, fresh_database(), action, point)
    assert took.acted < EACH
