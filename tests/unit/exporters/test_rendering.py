"""The page is bytes before it is asked for, made once for all who ask."""

from __future__ import annotations

import gzip
import threading
import zlib
from collections.abc import Iterator

import pytest

from airwarden.adapters.clock import SystemClock
from airwarden.adapters.fakes import FakeClock
from airwarden.exporters.rendering import STALE, WANTED, Rendering
from support.eventually import eventually

pytestmark = pytest.mark.thorough


class Counted:
    """Composes a page that says how often it was composed."""

    def __init__(self) -> None:
        self.times = {True: 0, False: 0}

    def __call__(self, openmetrics: bool) -> str:
        self.times[openmetrics] += 1
        return f"airwarden_page{{openmetrics={openmetrics}}} {self.times[openmetrics]}\n" * 50


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def running() -> Iterator[tuple[Counted, Rendering]]:
    counted = Counted()
    rendering = Rendering(counted, SystemClock())
    rendering.start()
    yield counted, rendering
    rendering.stop()


def test_a_scrape_renders_nothing_and_the_compressed_page_is_one_gzip_member(
    clock: FakeClock,
) -> None:
    counted = Counted()
    rendering = Rendering(counted, clock)
    first = rendering.get(True, True)
    assert [rendering.get(True, True) for _ in range(100)] == [first] * 100
    rendering.refresh()
    assert counted.times == {True: 2, False: 0}, "nobody asked for the other format"
    whole = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    assert whole.decompress(rendering.get(True, True)) == rendering.get(True, False)
    assert (whole.eof, whole.unused_data) == (True, b"")


def test_the_page_follows_what_is_collected_without_being_asked(
    running: tuple[Counted, Rendering],
) -> None:
    counted, rendering = running
    rendering.get(False, True)
    eventually(lambda: counted.times[False] >= 3, within=10)
    shown = gzip.decompress(rendering.get(False, True)).decode().split()[1]
    assert int(shown) >= 3


def test_a_form_that_nobody_asks_for_any_more_is_made_no_more(clock: FakeClock) -> None:
    counted = Counted()
    rendering = Rendering(counted, clock)
    rendering.get(True, False)
    rendering.get(False, False)
    clock.advance(WANTED / 2)
    rendering.get(True, False)
    clock.advance(WANTED / 2 + 1)
    before = dict(counted.times)
    rendering.refresh()
    assert counted.times == {True: before[True] + 1, False: before[False]}


def test_a_page_that_was_not_renewed_in_time_is_not_served(clock: FakeClock) -> None:
    counted = Counted()
    rendering = Rendering(counted, clock)  # its thread never runs
    old = rendering.get(False, False)
    clock.advance(STALE - 1)
    assert rendering.get(False, False) == old
    clock.advance(2)
    assert rendering.get(False, False) != old


def test_scrapers_that_come_at_once_wait_for_one_rendering(clock: FakeClock) -> None:
    counted = Counted()
    rendering = Rendering(counted, clock)
    together = threading.Barrier(10)
    found: list[bytes] = []

    def scrape() -> None:
        together.wait(10)
        found.append(rendering.get(False, True))

    scrapers = [threading.Thread(target=scrape) for _ in range(10)]
    for scraper in scrapers:
        scraper.start()
    for scraper in scrapers:
        scraper.join(10)
    assert len(found) == 10
    assert len(set(found)) == counted.times[False] == 1
