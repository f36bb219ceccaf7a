"""The dashboards, drawn in a process of their own beside the one that reads the settings.

To import what draws them, and to draw them, takes as long as all the rest of `airwarden build`.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn, TypeAlias

if TYPE_CHECKING:
    from airwarden.dashboards.config import DashboardConfig

Files: TypeAlias = Mapping[str, str]
#: Is given what the dashboards need to know; returns what waits for them.
Draw: TypeAlias = "Callable[[DashboardConfig], Callable[[], Files]]"


def here(config: DashboardConfig) -> Callable[[], Files]:
    """Draw in this process, when the dashboards are asked for."""

    def drawn() -> Files:
        # Slow to import, and most commands draw nothing.
        from airwarden.dashboards import generate

        return generate.build(config)

    return drawn


@contextmanager
def beside() -> Iterator[Draw]:
    """Draw in a process that is forked now; in this one where that cannot be, or where it fails."""
    if not hasattr(os, "fork") or threading.active_count() > 1:
        yield here
        return
    asked, ask = os.pipe()
    answer, answered = os.pipe()
    child = os.fork()
    if not child:
        os.close(ask)
        os.close(answer)
        _answer(asked, answered)
    os.close(asked)
    os.close(answered)
    with os.fdopen(ask, "wb") as question, os.fdopen(answer, "rb") as reply:

        def draw(config: DashboardConfig) -> Callable[[], Files]:
            with suppress(BrokenPipeError):
                pickle.dump(config, question)
                question.flush()

            def drawn() -> Files:
                data = reply.read()
                # It has no answer where drawing fails: then it fails here too, with the reason.
                return pickle.loads(data) if data else here(config)()  # noqa: S301 - our own child's

            return drawn

        try:
            yield draw
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _answer(asked: int, answered: int) -> NoReturn:
    """Be the child: draw what is asked for, and end without anything that the parent began."""
    try:
        with suppress(Exception):
            from airwarden.dashboards import generate

            with os.fdopen(asked, "rb") as question:
                config = pickle.load(question)  # noqa: S301 - our own parent's
            data = pickle.dumps(dict(generate.build(config)))
            with os.fdopen(answered, "wb") as reply:
                reply.write(data)
    finally:
        os._exit(0)
