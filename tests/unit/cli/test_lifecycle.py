from __future__ import annotations

import os
import signal
import threading

from airwarden.cli import lifecycle


def test_hangups_reload_and_a_termination_stops() -> None:
    reloads: list[int] = []
    arrived = threading.Event()

    def reload() -> None:
        reloads.append(len(reloads))
        arrived.set()

    def send() -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        assert arrived.wait(10)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    ticks: list[None] = []

    def tick() -> None:
        ticks.append(None)
        if len(ticks) == 1:
            # Only now: the handlers are in place.
            threading.Thread(target=send).start()

    assert lifecycle.wait(reload=reload, tick=tick) is signal.SIGTERM
    assert reloads == [0]
    assert signal.getsignal(signal.SIGTERM) is before
