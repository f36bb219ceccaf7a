"""Who leads: never two at once, never early, whatever the clocks and the lease's row do."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from airwarden.adapters.fakes import FakeAirflow, FakeClock
from airwarden.core import ports
from airwarden.core.errors import UnavailableError, WrongInputError
from airwarden.core.kubernetes import Kubernetes
from airwarden.remediation import world as world_module
from airwarden.remediation.breakers import guard
from airwarden.remediation.decide.succession import Seen, Watch, may_take, watch
from airwarden.remediation.journal.memory import JournalBreakers
from airwarden.remediation.journal.steady import SteadyTime
from airwarden.remediation.journal.store import FencedError, Journal, open_journal
from airwarden.remediation.journal.tables import lease
from airwarden.remediation.leadership import Leadership
from airwarden.remediation.leash import CHANGES, leashed
from airwarden.remediation.world import World
from support.engine import START, VirtualClock

HOUR = 3600.0


class SharedJournal(Journal):
    """A journal as several hosts see it: without a file that could be locked."""

    file = None


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def journal(tmp_path: Path, clock: VirtualClock) -> Iterator[Journal]:
    opened = open_journal(f"sqlite:///{tmp_path / 'journal.db'}", clock)
    shared = SharedJournal(opened._engines, clock)
    yield shared
    opened.close()


def seen(age: float, *, token: int = 1, renewal: int = 0, life: float = 15) -> Seen:
    return Seen(token, START + timedelta(seconds=renewal), life, age)


def test_whoever_has_watched_nothing_believes_the_database() -> None:
    for age, free in ((3.0, False), (14.9, False), (15.0, True), (900.0, True)):
        watched = watch(None, seen(age), 100)
        assert may_take(watched, seen(age), 100, slack=2) is free
    assert may_take(None, None, 100, slack=2)


def test_a_renewal_is_watched_from_when_it_was_first_seen() -> None:
    first = watch(None, seen(0), 100)
    assert watch(first, seen(4), 104) == Watch(seen(4), 100)
    renewed = seen(0, renewal=5)
    assert watch(first, renewed, 105) == Watch(renewed, 105)


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_a_step_of_the_databases_clock_moves_no_lease(step: float) -> None:
    watched = watch(None, seen(0), 100)
    free_at = None
    for second in range(1, 40):
        now = seen(second + step)
        watched = watch(watched, now, 100 + second)
        if may_take(watched, now, 100 + second, slack=2):
            free_at = second
            break
    # Not before the leader fences itself (10 s), and not much later than the lease's life.
    assert free_at is not None
    assert 13 <= free_at <= 17


def test_a_row_that_is_gone_is_waited_for_as_if_it_were_there() -> None:
    watched = watch(None, seen(0), 100)
    assert not may_take(watch(watched, None, 110), None, 110, slack=2)
    assert may_take(watch(watched, None, 115), None, 115, slack=2)


def test_a_holder_that_lets_go_need_not_be_waited_for() -> None:
    watched = watch(None, seen(0), 100)
    released = seen(3, life=0)
    assert may_take(watch(watched, released, 103), released, 103, slack=2)


def test_a_standby_leads_when_the_leader_is_silent_and_the_old_leader_has_stopped_before(
    journal: Journal, clock: VirtualClock
) -> None:
    old, heir = Leadership(journal, clock), Leadership(journal, clock)
    old.step()
    heir.step()
    stopped = taken = None
    for second in range(1, 30):
        clock.advance(1)
        if not old.leads:
            stopped = stopped or second
        heir.step()
        if heir.leads:
            taken = second
            break
    assert (stopped, taken) == (10, 15)
    with pytest.raises(FencedError):
        _ = old.fence
    old.step()
    assert not old.leads


def test_a_deleted_lease_gives_no_old_token_away(journal: Journal, clock: VirtualClock) -> None:
    old, heir = Leadership(journal, clock), Leadership(journal, clock)
    old.step()
    heir.step()
    fence = old.fence
    with journal.write() as tx:
        tx.connection.execute(update(lease).values(token=7))
    old.step()
    assert old.fence.token == 7
    with journal.write() as tx:
        tx.connection.execute(delete(lease))
    heir.step()
    assert not heir.leads, "a leader that believes in itself for 10 s more is not overtaken"
    old.step()
    assert old.fence.token == 8
    with pytest.raises(FencedError), journal.lead(fence):
        pytest.fail("wrote under a lease that was deleted")


def test_a_leader_that_lets_go_is_followed_at_once(journal: Journal, clock: VirtualClock) -> None:
    old, heir = Leadership(journal, clock), Leadership(journal, clock)
    old.step()
    heir.step()
    clock.advance(3)
    heir.step()
    old.stop()
    heir.step()
    assert heir.leads


def test_a_second_process_on_one_sqlite_file_is_told_who_has_it(
    tmp_path: Path, clock: VirtualClock
) -> None:
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    first, second = open_journal(url, clock), open_journal(url, clock)
    owner = Leadership(first, clock)
    owner.claim()
    intruder = Leadership(second, clock)
    with pytest.raises(WrongInputError, match=r"another remediator \(pid \d+\) works with"):
        intruder.claim()
    owner.abandon()
    intruder.claim()
    intruder.abandon()
    first.close()
    second.close()


def test_a_permit_ends_with_the_leadership_it_was_given_under(
    journal: Journal, clock: VirtualClock
) -> None:
    one, other = Leadership(journal, clock), Leadership(journal, clock)
    one.step()
    permit = one.permit(one.fence, within=30)
    permit()
    clock.advance(10)
    with pytest.raises(FencedError, match="does not lead"):
        permit()
    clock.advance(6)
    other.step()
    assert other.leads
    other.stop()
    one.step()
    assert one.leads
    with pytest.raises(FencedError, match="leads anew"):
        permit()


def test_a_permit_ends_with_the_effects_time(journal: Journal, clock: VirtualClock) -> None:
    one = Leadership(journal, clock)
    one.step()
    permit = one.permit(one.fence, within=5)
    clock.advance(5)
    permit()
    clock.advance(0.1)
    with pytest.raises(FencedError, match="5 s were over"):
        permit()


def no() -> None:
    raise FencedError("not any more")


def test_a_leashed_port_reads_and_does_not_change(journal: Journal) -> None:
    clock = FakeClock()
    airflow = FakeAirflow(clock)
    world = guard(World("lab", clock, airflow=airflow, breakers=JournalBreakers(journal)))
    held = leashed(world, no)
    assert held.airflow is not None
    assert [pool.name for pool in held.airflow.pools()] == ["default_pool"]
    for _ in range(8):
        with pytest.raises(FencedError):
            held.airflow.set_pool_slots("default_pool", 1)
    assert airflow.effects == []
    # What was held back is no failure of Airflow's: the breaker stays closed.
    assert world.airflow is not None
    world.airflow.set_pool_slots("default_pool", 1)
    assert airflow.effects == [("set_pool_slots", "default_pool", 1)]


#: What a remedy may reach and changes nothing.
READS = {
    "airflow": {
        "health", "jobs", "dags", "dag", "pools", "task_instances", "task_instance", "dag_runs",
        "log_tail", "version", "backfills", "held_back",
    },
    "breakers": {"load"},
    "commands": set[str](),
    "host": {"processes"},
    "kubernetes": {
        "pods", "workloads", "workload", "quotas", "refusals", "log_tail", "capacity",
    },
    "session_ender": set[str](),
    "webhooks": set[str](),
    "workers": {"workers"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("port", "protocol"),
    [
        ("airflow", ports.Airflow),
        ("breakers", world_module.BreakerStore),
        ("commands", ports.Commands),
        ("host", ports.Host),
        ("kubernetes", Kubernetes),
        ("session_ender", ports.SessionEnder),
        ("webhooks", ports.Webhooks),
        ("workers", ports.Workers),
    ],
)
def test_every_method_of_a_port_is_known_to_change_something_or_not(
    port: str, protocol: Any
) -> None:
    methods = {
        name
        for name, _ in inspect.getmembers(protocol, inspect.isfunction)
        if not name.startswith("_")
    }
    assert methods - {"open", "close"} == CHANGES[port] | READS[port]
    assert not CHANGES[port] & READS[port]


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_a_step_of_the_wall_clock_is_made_up_for_slowly(clock: VirtualClock, step: float) -> None:
    time = SteadyTime(clock)
    before = time.now()
    clock.offset = timedelta(seconds=step)
    clock.advance(600)
    passed = (time.now() - before).total_seconds()
    assert 570 <= passed <= 630
    clock.advance(30 * HOUR)
    assert abs(time.now() - clock.now()) <= timedelta(seconds=2)


def test_small_corrections_are_followed_and_time_never_runs_back(clock: VirtualClock) -> None:
    time = SteadyTime(clock)
    clock.advance(10)
    clock.offset = timedelta(seconds=1)
    assert time.now() == clock.now()
    latest = time.now()
    clock.offset = timedelta(seconds=-0.5)
    assert time.now() == latest
    clock.advance(5)
    assert time.now() == clock.now()


def test_a_restart_with_a_clock_set_back_goes_on_in_time(
    tmp_path: Path, clock: VirtualClock
) -> None:
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    first = open_journal(url, clock)
    leader = Leadership(first, clock)
    clock.advance(1000)
    leader.step()
    leader.abandon()
    first.close()
    clock.offset = -timedelta(hours=1)
    again = open_journal(url, clock)
    with again.read() as tx:
        assert tx.now == START + timedelta(seconds=1000)
    again.close()


def test_an_unreachable_journal_is_told_and_ends_leadership(
    journal: Journal, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader = Leadership(journal, clock)
    leader.step()

    def gone(*, urgent: bool = False) -> Any:
        raise UnavailableError("journal: gone")

    monkeypatch.setattr(journal, "write", gone)
    clock.advance(9)
    assert leader.step() == leader.times.standby_poll
    assert leader.leads
    assert leader.trouble is not None
    assert leader.answered_at == 0
    clock.advance(1)
    assert not leader.leads


def test_no_lock_is_kept_in_a_session() -> None:
    """PgBouncer's transaction pooling hands sessions round: a lock in one is anybody's."""
    root = Path(str(inspect.getsourcefile(Leadership))).parent
    for file in root.rglob("*.py"):
        text = file.read_text()
        assert "advisory" not in text.replace("pg_advisory_xact_lock", ""), file
