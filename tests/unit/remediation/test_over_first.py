"""A fault that is over before anything was done about it, and what it left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airwarden.core.alerts import Alert
from airwarden.core.errors import UnavailableError
from airwarden.core.platform import Pool, TaskKey
from airwarden.remediation.decide.states import AttemptState, IncidentState, Mode
from support.fleet_bench import FleetBench
from support.healed import fail
from support.refusals import MINUTE


@pytest.fixture
def bench(memory_path: Path) -> Iterator[FleetBench]:
    one = FleetBench(memory_path, 2)
    one.airflow.put_pool(Pool("etl", 16))
    one.run(MINUTE)
    yield one
    one.close()


def blink(bench: FleetBench) -> Alert:
    """The broker was away for a moment; it answers when its alert arrives."""
    fail(bench, "billing_charge", started=False)
    fail(bench, "orders_load", started=True)
    return bench.shout("AirflowBrokerDown", component="broker")


def done(bench: FleetBench) -> list[str]:
    return [one.action for one in bench.attempts() if one.state is AttemptState.CONFIRMED]


def state_of(bench: FleetBench, dag_id: str) -> str | None:
    return bench.airflow.task_instance(TaskKey(dag_id, "r", "t")).state


def test_what_never_started_is_re_queued_and_nothing_is_held(bench: FleetBench) -> None:
    blink(bench)
    bench.run(8 * MINUTE)
    assert done(bench) == ["tasks.requeue"]
    assert state_of(bench, "billing_charge") is None
    assert state_of(bench, "orders_load") == "failed"
    assert bench.state() is IncidentState.RESOLVED
    (over,) = (line for line in bench.story() if line.startswith("The fault is over"))
    assert "What it left is looked for" in over


def test_it_is_mended_although_alertmanager_shows_its_alert_no_more(bench: FleetBench) -> None:
    alert = blink(bench)
    bench.run(3)
    bench.clear(alert)
    bench.run(8 * MINUTE)
    assert done(bench) == ["tasks.requeue"]
    assert state_of(bench, "billing_charge") is None
    assert bench.state() is IncidentState.RESOLVED


def test_where_it_left_nothing_nothing_is_done(bench: FleetBench) -> None:
    bench.shout("AirflowBrokerDown", component="broker")
    bench.run(8 * MINUTE)
    assert done(bench) == []
    assert bench.state() is IncidentState.RESOLVED


def test_a_fault_that_comes_back_meanwhile_is_treated_as_ever(bench: FleetBench) -> None:
    bench.workers.break_with(UnavailableError("connection refused"))
    blink(bench)
    bench.run(MINUTE / 2)
    assert any(line.startswith("The fault is over") for line in bench.story())
    bench.broker.break_with(UnavailableError("connection refused"))
    bench.run(MINUTE / 2)
    assert done(bench)[:1] == ["breaker.open"]
    assert "pool.hold" in done(bench)
    assert state_of(bench, "billing_charge") == "failed"


def test_in_shadow_nothing_is_mended(bench: FleetBench) -> None:
    bench.set_mode(Mode.SHADOW)
    blink(bench)
    bench.run(8 * MINUTE)
    assert bench.attempts() == []
    assert not any("is looked for" in line for line in bench.story())
    assert bench.state() is IncidentState.RESOLVED
    assert state_of(bench, "billing_charge") == "failed"
