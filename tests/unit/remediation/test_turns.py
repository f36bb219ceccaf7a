"""Who waits for an acknowledgement goes first, and nobody waits for ever."""

from __future__ import annotations

import threading

from airwarden.remediation.journal.turns import Courtesy


def test_others_begin_once_the_urgent_one_is_over() -> None:
    courtesy, begun, over = Courtesy(most=30), threading.Event(), threading.Event()
    order: list[str] = []

    def urgent() -> None:
        with courtesy.turn(urgent=True):
            begun.set()
            over.wait(10)
            order.append("urgent")

    def other() -> None:
        with courtesy.turn(urgent=False):
            order.append("other")

    threads = [threading.Thread(target=urgent), threading.Thread(target=other)]
    threads[0].start()
    assert begun.wait(10)
    threads[1].start()
    over.set()
    for thread in threads:
        thread.join(10)
    assert order == ["urgent", "other"]


def test_others_are_late_by_so_much_at_most_and_urgent_ones_never_wait() -> None:
    courtesy = Courtesy(most=0.01)
    with (
        courtesy.turn(urgent=True),
        courtesy.turn(urgent=True),
        courtesy.turn(urgent=False),
        courtesy.turn(urgent=False),
    ):
        pass
