"""Breakers over shared storage: opened together, probed by one, aged by the store's clock."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import time_machine

from airwarden.core.errors import ConflictError, NotFoundError, UnavailableError
from airwarden.remediation.actions.base import Nothing, Plan, ReadBack, Refused
from airwarden.remediation.actions.breaker import BreakerClose, BreakerOpen
from airwarden.remediation.breakers import Breakers, SharedStorage, guard
from airwarden.remediation.journal import audit
from airwarden.remediation.journal.memory import JournalBreakers
from airwarden.remediation.journal.store import Journal, open_journal
from airwarden.remediation.world import BreakerRecord, BreakerState, BreakerStore
from support.small_world import Small, SmallBreakers, StillClock, subject

NAME = "prod/airflow"


class System:
    """Something that answers or does not, and counts who asked."""

    def __init__(self) -> None:
        self.up, self.asked = False, 0

    def ask(self) -> str:
        self.asked += 1
        if not self.up:
            raise UnavailableError("timed out")
        return "answer"

    def refuse(self) -> str:
        self.asked += 1
        raise NotFoundError("no such thing")


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def journal(tmp_path: Path, clock: StillClock) -> Iterator[Journal]:
    journal = open_journal(f"sqlite:///{tmp_path / 'journal.db'}", clock)
    yield journal
    journal.close()


@pytest.fixture(params=["memory", "journal"])
def store(request: pytest.FixtureRequest, clock: StillClock) -> BreakerStore:
    """The unit tests' store and the journal's: the same behaviour is asked of both."""
    if request.param == "memory":
        return SmallBreakers(clock)
    return JournalBreakers(request.getfixturevalue("journal"))


def replica(store: BreakerStore, clock: StillClock) -> Breakers:
    return Breakers(store, clock, failures=3, timeout=15)


def fail(breakers: Breakers, system: System, times: int) -> None:
    for _ in range(times):
        with pytest.raises(UnavailableError):
            breakers.call(NAME, system.ask)


def test_it_opens_for_every_replica_and_nothing_is_called_then(
    store: BreakerStore, clock: StillClock
) -> None:
    one, two, system = replica(store, clock), replica(store, clock), System()
    fail(one, system, 3)
    assert system.asked == 3
    fail(two, system, 2)
    assert system.asked == 3
    assert store.load(NAME).state is BreakerState.OPEN


def test_a_success_between_failures_keeps_it_closed(store: BreakerStore, clock: StillClock) -> None:
    one, system = replica(store, clock), System()
    fail(one, system, 2)
    system.up = True
    assert one.call(NAME, system.ask) == "answer"
    system.up = False
    fail(one, system, 2)
    assert store.load(NAME).state is BreakerState.CLOSED


def test_after_its_time_one_probe_closes_it(store: BreakerStore, clock: StillClock) -> None:
    one, system = replica(store, clock), System()
    fail(one, system, 3)
    system.up = True
    fail(one, system, 1)
    clock.wait(16)
    assert one.call(NAME, system.ask) == "answer"
    assert store.load(NAME).state is BreakerState.CLOSED
    assert replica(store, clock).call(NAME, system.ask) == "answer"


def test_a_failed_probe_opens_it_for_another_whole_time(
    store: BreakerStore, clock: StillClock
) -> None:
    one, system = replica(store, clock), System()
    fail(one, system, 3)
    clock.wait(16)
    fail(one, system, 1)
    assert system.asked == 4
    clock.wait(10)
    fail(one, system, 1)
    assert system.asked == 4


def test_only_one_replica_probes(store: BreakerStore, clock: StillClock) -> None:
    one, two, system = replica(store, clock), replica(store, clock), System()
    fail(one, system, 3)
    clock.wait(16)
    system.up = True
    asked_by_two: list[bool] = []

    def probe() -> str:
        before = system.asked
        with pytest.raises(UnavailableError):
            two.call(NAME, system.ask)
        asked_by_two.append(system.asked > before)
        return system.ask()

    assert one.call(NAME, probe) == "answer"
    assert asked_by_two == [False]
    assert two.call(NAME, system.ask) == "answer"


def test_the_probe_of_a_replica_that_died_is_taken_over(
    store: BreakerStore, clock: StillClock
) -> None:
    one, two, system = replica(store, clock), replica(store, clock), System()
    fail(one, system, 3)
    clock.wait(16)
    SharedStorage(store, NAME).state = "half-open"
    system.up = True
    with pytest.raises(UnavailableError):
        two.call(NAME, system.ask)
    clock.wait(16)
    assert two.call(NAME, system.ask) == "answer"


def test_half_open_is_granted_once(store: BreakerStore, clock: StillClock) -> None:
    one, two = SharedStorage(store, NAME), SharedStorage(store, NAME)
    one.state = "open"
    seen = store.load(NAME)
    one.state = "half-open"
    assert one.state == "half-open"
    assert two.state == "open"
    assert not store.change(seen, state=BreakerState.HALF_OPEN, reopened=True)


def test_a_refusal_is_an_answer(store: BreakerStore, clock: StillClock) -> None:
    one, system = replica(store, clock), System()
    for _ in range(5):
        with pytest.raises(NotFoundError):
            one.call(NAME, system.refuse)
    assert store.load(NAME).state is BreakerState.CLOSED


def test_while_all_is_well_nothing_is_written_and_little_is_read(clock: StillClock) -> None:
    store, system = SmallBreakers(clock), System()
    one = replica(store, clock)
    system.up = True
    for _ in range(10):
        one.call(NAME, system.ask)
    assert (store.writes, store.reads) == (0, 1)
    clock.wait(1)
    one.call(NAME, system.ask)
    assert (store.writes, store.reads) == (0, 2)


def test_one_that_another_replica_opened_is_noticed_within_a_second(
    store: BreakerStore, clock: StillClock
) -> None:
    one, two, system = replica(store, clock), replica(store, clock), System()
    system.up = True
    assert two.call(NAME, system.ask) == "answer"
    system.up = False
    fail(one, system, 3)
    system.up = True
    clock.wait(1)
    with pytest.raises(UnavailableError, match="is open"):
        two.call(NAME, system.ask)


def test_a_call_that_hangs_holds_up_no_other(store: BreakerStore, clock: StillClock) -> None:
    one, system = replica(store, clock), System()
    system.up = True
    with ThreadPoolExecutor(1) as pool:

        def slow() -> str:
            return pool.submit(lambda: one.call(NAME, system.ask)).result(timeout=10)

        assert one.call(NAME, slow) == "answer"


def test_what_ends_the_process_opens_nothing_and_proves_nothing(
    store: BreakerStore, clock: StillClock
) -> None:
    def leave() -> str:
        raise SystemExit(1)

    one, system = replica(store, clock), System()
    for _ in range(5):
        with pytest.raises(SystemExit):
            one.call(NAME, leave)
    assert store.load(NAME).state is BreakerState.CLOSED
    fail(one, system, 3)
    clock.wait(16)
    with pytest.raises(SystemExit):
        one.call(NAME, leave)
    assert store.load(NAME).state is BreakerState.OPEN


def test_each_change_of_state_is_a_line_of_the_audit(journal: Journal, clock: StillClock) -> None:
    one, system = replica(JournalBreakers(journal), clock), System()
    fail(one, system, 3)
    clock.wait(16)
    system.up = True
    one.call(NAME, system.ask)
    with journal.read() as tx:
        said = [entry.sentence for entry in audit.entries(tx, object=f"breaker/{NAME}")]
        assert list(audit.broken_links(tx)) == []
    assert said == [
        f"Breaker {NAME}: {change}."
        for change in ("closed → open", "open → half-open", "half-open → closed")
    ]


def test_a_guarded_port_is_called_through_its_breaker(
    store: BreakerStore, clock: StillClock
) -> None:
    system = System()
    port = replica(store, clock).guarded(NAME, system)
    for _ in range(5):
        with pytest.raises(UnavailableError):
            port.ask()
    assert system.asked == 3


def test_a_world_is_guarded_where_calls_hang_but_not_where_the_cause_is_read() -> None:
    small = Small()
    world = guard(small.world(workers=None))
    small.airflow.error = UnavailableError("timed out")
    assert world.airflow is not None
    for _ in range(5):
        with pytest.raises(UnavailableError, match="timed out"):
            world.airflow.pools()
    small.airflow.error = None
    with pytest.raises(UnavailableError, match="breaker prod/airflow-api is open"):
        world.airflow.pools()
    small.clock.wait(3)
    assert world.airflow.pools() == []
    assert world.workers is None
    assert world.database is small.database
    assert guard(small.world(breakers=None)).airflow is small.airflow


def test_a_wall_clock_that_steps_does_not_age_it(store: BreakerStore, clock: StillClock) -> None:
    one, system = replica(store, clock), System()
    fail(one, system, 3)
    with time_machine.travel("2060-01-01T00:00:00Z"):
        fail(one, system, 1)
    assert system.asked == 3


def test_the_breakers_steps_are_durable_and_absolute(
    store: BreakerStore, clock: StillClock
) -> None:
    world = Small().world(breakers=store)
    about = subject({"dependency": "billing"})
    planned = BreakerOpen().plan(world, about, {})
    assert isinstance(planned, Plan)
    (effect,) = planned.effects
    assert effect.target == "prod/breaker/billing"
    assert BreakerOpen().read_back(world, effect) is ReadBack.NOT_DONE
    BreakerOpen().apply(world, effect)
    BreakerOpen().apply(world, effect)
    assert BreakerOpen().read_back(world, effect) is ReadBack.DONE
    assert store.load("prod/billing").state is BreakerState.OPEN
    assert isinstance(BreakerOpen().plan(world, about, {}), Nothing)
    closing = BreakerClose().plan(world, about, {})
    assert isinstance(closing, Plan)
    BreakerClose().apply(world, closing.effects[0])
    assert store.load("prod/billing").state is BreakerState.CLOSED
    assert isinstance(BreakerClose().undo(world, effect), Nothing)


def test_an_open_breaker_is_taken_back_once(store: BreakerStore) -> None:
    world, action = Small().world(breakers=store), BreakerOpen()
    planned = action.plan(world, subject({"dependency": "billing"}), {})
    assert isinstance(planned, Plan)
    action.apply(world, planned.effects[0])
    back = action.undo(world, planned.effects[0])
    assert isinstance(back, Plan)
    action.apply(world, back.effects[0])
    assert store.load("prod/billing").state is BreakerState.CLOSED
    assert isinstance(action.undo(world, planned.effects[0]), Nothing)


def test_a_breaker_without_a_name_is_refused(store: BreakerStore, clock: StillClock) -> None:
    planned = BreakerOpen().plan(Small().world(breakers=store), subject(), {})
    assert isinstance(planned, Refused)


def test_a_change_between_reading_and_writing_is_a_conflict(clock: StillClock) -> None:
    class Late(SmallBreakers):
        def load(self, name: str) -> BreakerRecord:
            record = super().load(name)
            self.rows[name] = BreakerRecord(name, rev=record.rev + 1)
            return record

    world = Small().world(breakers=Late(clock))
    planned = BreakerOpen().plan(world, subject({"dependency": "billing"}), {})
    assert isinstance(planned, Plan)
    with pytest.raises(ConflictError):
        BreakerOpen().apply(world, planned.effects[0])
