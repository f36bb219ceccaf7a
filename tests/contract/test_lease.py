"""The lease: one suite for the fake and for a row in the journal's PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from airwarden.adapters.fakes import FakeClock, FakeLease, LeaseRow
from airwarden.core.ports import Lease
from airwarden.remediation.shared_lease import SharedLease
from support.postgres import FreshDatabase

LIFE = 15.0
Make = Callable[[FakeClock], Lease]


@pytest.fixture(params=["fake", "postgresql"])
def make(request: pytest.FixtureRequest, fresh_database: FreshDatabase) -> Iterator[Make]:
    if request.param == "fake":
        row = LeaseRow()
        yield lambda clock: FakeLease(row, clock, life=LIFE)
        return
    url = fresh_database().sqlalchemy_url
    made: list[SharedLease] = []

    def real(clock: FakeClock) -> Lease:
        made.append(SharedLease(url, clock, name="exporter", life=LIFE))
        return made[-1]

    yield real
    for one in made:
        one.stop()


def test_one_holds_it_and_another_follows_who_lets_go(make: Make) -> None:
    clock = FakeClock()
    first, second = make(clock), make(clock)
    assert (first.claimed, first.remaining()) == (False, 0)
    again = first.step()
    assert first.claimed
    assert 0 < first.remaining() < LIFE
    assert 0 < again < first.remaining(), "renewed well before it ends"
    look = second.step()
    assert (second.claimed, second.remaining()) == (False, 0)
    assert look <= 1, "it is followed soon"

    first.stop()
    assert (first.claimed, first.remaining()) == (False, 0)
    second.step()
    assert second.claimed
    assert second.remaining() > 0


def test_it_ends_by_the_holders_own_clock_and_a_renewal_lengthens_it(make: Make) -> None:
    clock = FakeClock()
    lease = make(clock)
    lease.step()
    first = lease.remaining()
    clock.advance(first - 1)
    assert lease.remaining() == pytest.approx(1)
    lease.step()
    assert lease.remaining() == pytest.approx(first)
    clock.advance(first + 1)
    assert lease.remaining() == 0
    assert lease.claimed, "nobody else was seen to have it"
    lease.step()
    assert lease.remaining() == pytest.approx(first)
