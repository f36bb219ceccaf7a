"""Several exporters on one lease: what each of them serves while it is active, standing by, or cut off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from airwarden.adapters.clock import SystemClock
from airwarden.adapters.fakes import FakeAirflow, FakeClock, FakeLease, LeaseRow
from airwarden.exporters import ClusterSources, Exporter, ExporterConfig
from airwarden.exporters.standby import Standby
from support.eventually import eventually

pytestmark = pytest.mark.thorough

LIFE = 15.0


class Pair:
    """Two exporters of one platform; their leases go by a clock of the test's."""

    def __init__(self, stack: ExitStack) -> None:
        self.clock = FakeClock()
        self.row = LeaseRow()
        self.leases = [FakeLease(self.row, self.clock, life=LIFE) for _ in range(2)]
        self.exporters = []
        for lease in self.leases:
            source = ClusterSources("east", airflow=FakeAirflow(FakeClock()))
            exporter = Exporter([source], ExporterConfig(port=0, lease=lease), SystemClock())
            exporter.start()
            stack.callback(exporter.stop)
            self.exporters.append(exporter)

    def page(self, which: int) -> str:
        return httpx.get(f"http://127.0.0.1:{self.exporters[which].port}/metrics", timeout=5).text

    def active(self, which: int) -> bool:
        """Whether one shows the platform, and says so; it must never do one without the other."""
        page = self.page(which)
        shows = 'cluster="east"' in page
        leads = 'airwarden_leader{cluster="airwarden"} 1' in page
        return shows and leads


@pytest.fixture
def pair() -> Iterator[Pair]:
    with ExitStack() as stack:
        yield Pair(stack)


def test_one_shows_the_platform_and_the_other_only_itself(pair: Pair) -> None:
    eventually(lambda: pair.active(0) or pair.active(1), within=10)
    leader = 0 if pair.active(0) else 1
    standby = pair.page(1 - leader)
    names = {line.split("{")[0] for line in standby.splitlines() if line[:1] != "#"}
    assert names == {
        "airwarden_build_info", "airwarden_leader", "airwarden_config_reload_success",
        "airwarden_config_last_reload_timestamp_seconds", "airwarden_render_duration_seconds",
    }  # fmt: skip
    assert 'airwarden_leader{cluster="airwarden"} 0' in standby
    url = f"http://127.0.0.1:{pair.exporters[1 - leader].port}"
    assert httpx.get(f"{url}/readyz").status_code == 200
    assert httpx.post(f"{url}/-/reload").status_code == 200
    assert 'cluster="east"' not in pair.page(1 - leader), "a reload begins nothing"

    pair.exporters[leader].stop()
    eventually(lambda: pair.active(1 - leader), within=10, what="the other follows at once")


def test_a_leader_whose_lease_ran_out_shows_nothing_from_that_moment(pair: Pair) -> None:
    eventually(lambda: pair.active(0) or pair.active(1), within=10)
    leader = 0 if pair.active(0) else 1
    pair.row.down = True
    pair.clock.advance(LIFE)
    page = pair.page(leader)
    assert 'cluster="east"' not in page
    assert 'airwarden_leader{cluster="airwarden"} 0' in page
    assert 'cluster="east"' not in pair.page(1 - leader), "nobody can tell who it would be"
    pair.row.down = False
    eventually(lambda: pair.active(0) or pair.active(1), within=10)
    assert not (pair.active(0) and pair.active(1))


class Told:
    """Counts what a standby is told to do."""

    def __init__(self) -> None:
        self.begun = self.ended = 0

    def begin(self) -> None:
        self.begun += 1

    def end(self) -> None:
        self.ended += 1


def serves_after_a_look(standby: Standby) -> bool:
    standby.follow()
    return standby.serves


def test_a_lapse_in_which_nobody_else_led_keeps_what_was_counted() -> None:
    clock, row, told = FakeClock(), LeaseRow(), Told()
    standby = Standby(FakeLease(row, clock, life=LIFE), begin=told.begin, end=told.end)
    assert serves_after_a_look(standby)
    row.down = True
    clock.advance(LIFE * 10)
    assert not serves_after_a_look(standby)
    row.down = False
    assert serves_after_a_look(standby)
    assert (told.begun, told.ended) == (1, 0)


def test_who_wakes_up_while_another_one_leads_counts_anew_when_its_turn_comes() -> None:
    clock, row, told = FakeClock(), LeaseRow(), Told()
    sleeper = Standby(FakeLease(row, clock, life=LIFE), begin=told.begin, end=told.end)
    other = FakeLease(row, clock, life=LIFE)
    sleeper.follow()
    clock.advance(LIFE + 1)  # it was frozen
    other.step()
    assert not sleeper.serves, "before it has looked"
    assert not serves_after_a_look(sleeper)
    assert (told.begun, told.ended) == (1, 1)
    other.stop()
    assert serves_after_a_look(sleeper)
    assert (told.begun, told.ended) == (2, 1)
