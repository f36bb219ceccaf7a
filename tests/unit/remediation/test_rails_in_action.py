"""The rails of the fleet and of what goes on around it, with the whole engine, on virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from airwarden.core.errors import UnavailableError
from airwarden.core.platform import Component, Pool, ProcessState
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.states import IncidentState, Mode
from airwarden.remediation.journal import surroundings, tables
from airwarden.remediation.surroundings import SCHEMA
from support.engine import Bench, playbook
from support.fleet_bench import SITUATIONS, FleetBench, node, worker
from support.platform_bench import CLUSTER

pytestmark = pytest.mark.thorough

Make = Callable[[int], FleetBench]


@pytest.fixture
def make(memory_path: Path) -> Iterator[Make]:
    """Return a maker of platforms that have run for a while."""
    made: list[FleetBench] = []

    def build(size: int) -> FleetBench:
        made.append(FleetBench(memory_path / str(len(made)), size))
        (memory_path / str(len(made) - 1)).mkdir(exist_ok=True)
        made[-1].run(150)
        return made[-1]

    yield build
    for bench in made:
        bench.close()


def restarts(bench: FleetBench) -> list[datetime]:
    """When workers or schedulers were restarted."""
    query = (
        select(tables.attempt.c.started_at)
        .where(tables.attempt.c.state == "CONFIRMED", tables.attempt.c.danger == "B")
        .order_by(tables.attempt.c.id)
    )
    with bench.journal.read() as tx:
        return list(tx.connection.execute(query).scalars())


def told(bench: Bench, words: str) -> bool:
    """Whether some line of the story holds the words."""
    return any(words in line for line in bench.story())


def set_rails(bench: FleetBench, **changes: Any) -> None:
    """Change numbers of every playbook, as a reload would."""
    books = {
        name: replace(loaded, rails=loaded.rails.with_overrides(changes))
        for name, loaded in bench.playbooks.by_name.items()
    }
    bench.playbooks = replace(bench.playbooks, by_name=books)


# --- the fleet ------------------------------------------------------------------------------------


def test_two_silent_workers_of_a_large_fleet_are_restarted_with_a_pause_between(make: Make) -> None:
    bench = make(20)
    for number in range(2):
        bench.silence(number)
        bench.shout_silent(number)
    bench.run(90)
    first, second = restarts(bench)
    assert second - first >= Rails().pace
    assert told(bench, "Guard pace")


@pytest.mark.reliability
def test_a_share_of_one_lets_the_second_wait_until_the_first_is_healthy(make: Make) -> None:
    bench = make(12)
    for number in range(2):
        bench.silence(number)
        bench.shout_silent(number)
    bench.run(60)
    assert len(restarts(bench)) == 1
    assert told(bench, "Guard fleet-share: 1 of 12 workers are in repair, and at most 1 may be")
    bench.run(5 * 60)
    assert len(restarts(bench)) == 2
    assert {one.state for one in bench.incidents()} == {IncidentState.RESOLVED}


@pytest.mark.reliability
def test_a_degraded_large_fleet_goes_slowly(make: Make) -> None:
    bench = make(60)
    for number in range(26):
        bench.silence(number)
    for number in range(3):
        bench.shout_silent(number)
    bench.run(10 * 60)
    found = restarts(bench)
    assert len(found) == 3
    assert all(b - a >= Rails().pace_degraded for a, b in pairwise(found))


@pytest.mark.reliability
def test_a_fleet_that_cannot_be_seen_is_left_alone_and_paged_for(make: Make) -> None:
    """The process restart of a silent worker asks Celery; the fleet's last look must not be old."""
    bench = make(12)
    bench.silence(0)
    bench.shout_silent(0)
    set_rails(bench, unreadable_patience=timedelta(seconds=20))
    bench.run(10)
    bench.clock.advance(31)
    real = bench.host.processes
    looked = bench.clock.elapsed()

    def blind(component: Component | None = None) -> Any:
        # Planning sees the workers; whoever looks at the whole fleet afterwards does not.
        if component is Component.WORKER and bench.clock.elapsed() - looked > 0.5:
            raise UnavailableError("timed out")
        return real(component)

    bench.host.processes = blind  # type: ignore[method-assign]
    bench.run(2 * 60)
    assert restarts(bench) == []
    assert bench.incident.state is IncidentState.ESCALATED
    assert "cannot be read" in bench.incident.reason


def test_the_watch_keeps_the_fleet_for_others_to_read(make: Make) -> None:
    bench = make(12)
    bench.silence(3)
    bench.host.exit(worker(4), ProcessState.FATAL)
    bench.run(30)
    with bench.journal.read() as tx:
        kept = surroundings.fleet(tx, cluster=CLUSTER, fleet=surroundings.WORKERS)
        assert kept is not None
        assert (kept.total, kept.healthy, kept.in_repair) == (12, 10, 0)
        assert tx.now - kept.taken_at <= Rails().fleet_max_age


@pytest.mark.reliability
def test_what_is_in_repair_counts_as_unhealthy_until_its_remedy_is_over(make: Make) -> None:
    bench = make(12)
    bench.silence(0)
    bench.shout_silent(0)
    bench.run(60)
    assert len(restarts(bench)) == 1
    with bench.journal.read() as tx:
        kept = surroundings.fleet(tx, cluster=CLUSTER, fleet=surroundings.WORKERS)
    assert kept is not None
    assert (kept.healthy, kept.in_repair) == (11, 1)


# --- what goes on around --------------------------------------------------------------------------


def break_scheduler(bench: FleetBench) -> None:
    SITUATIONS["scheduler-restart"]["one gone"].breaks(bench)


def test_a_migrated_schema_holds_everything_for_a_while(make: Make) -> None:
    bench = make(2)
    set_rails(bench, rollout_hold=timedelta(minutes=2))
    bench.database.answers["platform"] = [{"schema_revision": "new", "now": None}]
    bench.run(30)
    break_scheduler(bench)
    bench.run(60)
    assert restarts(bench) == []
    assert told(bench, f"Guard rollout: {SCHEMA} changed from d2f4e1b3c5a7 to new")
    bench.run(45)
    assert len(restarts(bench)) == 1


@pytest.mark.reliability
def test_a_new_version_of_airflow_holds_too_and_is_remembered(make: Make) -> None:
    bench = make(2)
    bench.airflow.airflow_version = "3.4.0"
    bench.run(30)
    bench._compose(Mode.AUTO)  # another process takes over, with the same journal
    break_scheduler(bench)
    bench.run(60)
    assert restarts(bench) == []
    assert told(bench, "Airflow's version changed from 3.3.2 to 3.4.0")


@pytest.mark.parametrize("everywhere", [True, False], ids=["for all", "for one playbook"])
def test_an_alert_of_the_operators_blocks(make: Make, everywhere: bool) -> None:
    bench = make(2)
    wanted = ({"alertname": "NodePressure"},)
    if everywhere:
        bench.playbooks = replace(bench.playbooks, block_on=wanted)
    else:
        book = replace(bench.playbooks.by_name["scheduler-restart"], block_on=wanted)
        names = {**bench.playbooks.by_name, "scheduler-restart": book}
        bench.playbooks = replace(bench.playbooks, by_name=names)
    pressure = bench.shout("NodePressure", severity="warning")
    break_scheduler(bench)
    bench.run(60)
    assert restarts(bench) == []
    assert told(bench, "Guard block-on: blocked while NodePressure fires")
    bench.clear(pressure)
    bench.run(60)
    assert len(restarts(bench)) == 1


def test_a_clock_that_differs_holds_and_calls_a_person(make: Make) -> None:
    bench = make(2)
    real = bench.database.rows

    def ahead(query: str, **parameters: object) -> Any:
        if query != "platform":
            return real(query, **parameters)
        now = bench.clock.now() + timedelta(seconds=3)
        return [{"schema_revision": "d2f4e1b3c5a7", "now": now}]

    bench.database.rows = ahead  # type: ignore[method-assign]
    set_rails(bench, guard_patience=timedelta(seconds=20))
    break_scheduler(bench)
    bench.run(90)
    assert restarts(bench) == []
    assert "guard clock: the clock of the metadata database differs" in bench.incident.reason
    assert bench.incident.state is IncidentState.ESCALATED


def test_a_database_whose_version_cannot_be_read_stops_remedies(make: Make) -> None:
    bench = make(2)
    bench.database.answers["platform"] = []
    real = bench.database.rows

    def refuses(query: str, **parameters: object) -> Any:
        if query == "platform":
            raise UnavailableError("no answer in 5 s")
        return real(query, **parameters)

    bench.database.rows = refuses  # type: ignore[method-assign]
    set_rails(bench, unreadable_patience=timedelta(seconds=20))
    break_scheduler(bench)
    bench.run(90)
    assert restarts(bench) == []
    assert "cannot be read: the metadata database's version" in bench.incident.reason


def test_an_operators_pattern_puts_a_target_out_of_bounds(make: Make) -> None:
    bench = make(2)
    bench.playbooks = replace(bench.playbooks, protect=("process/scheduler-*",))
    break_scheduler(bench)
    bench.run(2 * 60)
    assert restarts(bench) == []
    assert "guard protected" in bench.incident.reason


def test_a_delivery_that_waits_is_lag_and_one_that_is_put_off_is_none(make: Make) -> None:
    bench = make(1)
    with bench.journal.write() as tx:
        row = {
            "source": "x",
            "received_at": tx.now - timedelta(minutes=9),
            "body": b"",
            "alerts": 0,
            "state": "new",
        }
        due = {**row, "delivery_hash": "a", "next_at": tx.now - timedelta(seconds=7)}
        later = {**row, "delivery_hash": "b", "next_at": tx.now + timedelta(seconds=9)}
        tx.connection.execute(tables.inbox.insert(), [later])
        assert surroundings.inbox_lag(tx) == 0.0
        tx.connection.execute(tables.inbox.insert(), [due])
        assert surroundings.inbox_lag(tx) == 7.0


# --- hands off ------------------------------------------------------------------------------------


@pytest.fixture
def holding(memory_path: Path) -> Iterator[Bench]:
    """One playbook that sets a number to 1 and leaves it so, without cool-down or budget in the way."""
    bench = Bench(
        f"sqlite:///{memory_path / 'journal.db'}",
        books=[playbook(steps=[{"id": "hold", "action": "number.hold", "with": {"value": 1}}])],
        rails=Rails(cool_down=timedelta(0), target_per_hour=9),
    )
    yield bench
    bench.close()


def heal_by_holding(bench: Bench) -> None:
    one = bench.fire()
    bench.run(15)
    bench.machine.healthy = True
    bench.run(60)
    bench.clear(one)
    bench.run(30)


def test_what_somebody_else_takes_back_twice_is_left_alone(holding: Bench) -> None:
    for _ in range(2):
        heal_by_holding(holding)
        assert holding.hold.value == 1
        holding.hold.value = 10
    heal_by_holding(holding)
    assert holding.hold.value == 10
    assert told(holding, "guard fight: somebody else has taken it back 2 times")
    assert len(holding.paged()) == 1


def test_what_still_stands_is_no_fight(holding: Bench) -> None:
    for _ in range(4):
        heal_by_holding(holding)
    assert holding.hold.value == 1
    assert not told(holding, "fight")


# --- waves and budgets ----------------------------------------------------------------------------


def used(bench: FleetBench, scope: str) -> int:
    query = select(tables.budget.c.used).where(tables.budget.c.scope == scope)
    with bench.journal.read() as tx:
        return sum(tx.connection.execute(query).scalars())


def test_a_step_with_many_targets_is_one_use_of_a_budget(make: Make) -> None:
    """Six effects an hour would leave the seventh pool open while the broker is away."""
    bench = make(12)
    SITUATIONS["broker-out"]["as many pools"].breaks(bench)
    bench.run(4 * 60)
    held = [pool for pool in bench.airflow.pools() if pool.slots == 1]
    assert len(held) == 12
    assert used(bench, "playbook/broker-out/hour") == 1
    assert used(bench, "all/hour") == 1
    assert used(bench, f"target/{CLUSTER}/pool/pool-3/hour") == 1


def test_the_budget_of_the_playbook_still_ends(make: Make) -> None:
    bench = make(2)
    set_rails(bench, playbook_per_hour=0)
    break_scheduler(bench)
    bench.run(2 * 60)
    assert restarts(bench) == []
    assert "guard budget" in bench.incident.reason


def test_a_canary_that_does_not_stick_stops_the_step(make: Make) -> None:
    bench = make(12)
    living = bench.live

    def dies_again() -> None:
        living()
        if bench.host.effects:
            bench.host.exit(worker(0), ProcessState.FATAL)

    bench.live = dies_again  # type: ignore[method-assign]
    for number in range(12):
        bench.host.exit(worker(number), ProcessState.FATAL)
    bench.shout("AirflowWorkerDown", component="worker")
    bench.run(3 * 60)
    assert len(restarts(bench)) == 1
    assert bench.incident.state is IncidentState.ESCALATED
    assert "restart stops after 1 of 12 targets" in bench.incident.reason


@pytest.mark.reliability
def test_later_waves_stop_where_more_than_a_tenth_did_not_stick(make: Make) -> None:
    bench = make(12)
    SITUATIONS["broker-out"]["as many pools"].breaks(bench)
    turning = bench.live

    def resets() -> None:
        turning()
        for pool in bench.airflow.pools():
            if pool.name in ("pool-1", "pool-2") and pool.slots == 1:
                bench.airflow.put_pool(Pool(pool.name, 16))

    bench.live = resets  # type: ignore[method-assign]
    bench.run(4 * 60)
    assert "hold stops after 6 of 12 targets: 2 of 6 did not succeed" in bench.incident.reason
    assert len([pool for pool in bench.airflow.pools() if pool.slots == 1]) == 4


@pytest.mark.reliability
def test_workers_that_we_added_are_taken_away_while_enough_are_left(make: Make) -> None:
    bench = make(12)
    SITUATIONS["queue-scale-up"]["deep"].breaks(bench)
    bench.run(4 * 60)
    started = [name for what, name, *_ in bench.host.effects if what == "start"]
    assert len(started) == 3
    bench.broker.put("default", 0)
    for number in range(15):
        bench.workers.put(node(number))
    for number in range(6):
        bench.silence(number)
    bench.run(15 * 60)
    assert told(bench, "Guard scale-down-floor")
    assert not [what for what, *_ in bench.host.effects if what == "stop"]
    for number in range(6):
        bench.workers.put(node(number))
    bench.run(15 * 60)
    stopped = {name for what, name, *_ in bench.host.effects if what == "stop"}
    assert stopped == set(started)
