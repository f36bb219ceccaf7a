"""Whose turn is next, and that no place is lost."""

from __future__ import annotations

import random
import threading
import time

import pytest

from airwarden.core.errors import UnavailableError
from airwarden.core.turns import Turns
from airwarden.core.work import work
from support.eventually import eventually


def waiting(turns: Turns) -> int:
    return len(turns._waiting)


def test_who_has_the_least_time_left_is_next_whoever_came_first() -> None:
    turns = Turns(1)
    order: list[float] = []

    def take(seconds: float) -> None:
        with work(seconds), turns.turn(30.0, "never"):
            order.append(seconds)

    threads = []
    with turns.turn(1.0, "never"):
        for number, seconds in enumerate((60.0, 15.0, 10.0, 40.0), start=1):
            threads.append(threading.Thread(target=take, args=(seconds,)))
            threads[-1].start()
            eventually(lambda number=number: waiting(turns) == number, within=5)  # type: ignore[misc]  # a default has no type
    for thread in threads:
        thread.join(5)
    assert order == [10.0, 15.0, 40.0, 60.0]


def test_who_asks_again_at_once_does_not_pass_one_who_waits() -> None:
    turns = Turns(1)
    order: list[str] = []

    def take() -> None:
        with turns.turn(30.0, "never"):
            order.append("who waited")

    thread = threading.Thread(target=take)
    with turns.turn(30.0, "never"):
        thread.start()
        eventually(lambda: waiting(turns) == 1, within=5)
    with turns.turn(30.0, "never"):
        order.append("who asked again")
    thread.join(5)
    assert order == ["who waited", "who asked again"]


def test_a_turn_that_does_not_come_in_time_is_an_error_and_costs_no_place() -> None:
    turns = Turns(1)
    with turns.turn(1.0, "never"):
        with (
            pytest.raises(UnavailableError, match="all are busy"),
            turns.turn(0.02, "all are busy"),
        ):
            pass
        with work(0.02), pytest.raises(UnavailableError), turns.turn(30.0, "all are busy"):
            pass  # the work has less left
    with turns.turn(0.02, "it is free again"):
        pass


def test_no_place_is_lost_or_made_whoever_gives_up_when() -> None:
    """Threads that wait for so short a time that the hand-over and the giving up often meet."""
    turns, places, end = Turns(3), 3, time.monotonic() + 1.0
    inside, most, served = [0], [0], [0]
    lock = threading.Lock()

    def come_and_go(seed: int) -> None:
        dice = random.Random(seed)
        while time.monotonic() < end:
            try:
                with turns.turn(dice.random() * 0.002, "busy"):
                    with lock:
                        inside[0] += 1
                        most[0] = max(most[0], inside[0])
                        served[0] += 1
                    time.sleep(dice.random() * 0.002)
                    with lock:
                        inside[0] -= 1
            except UnavailableError:
                continue

    threads = [threading.Thread(target=come_and_go, args=(seed,)) for seed in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert most[0] == places
    assert served[0] > 100
    assert (turns._free, waiting(turns)) == (places, 0)
