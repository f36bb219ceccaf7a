"""Calls to the outside with a deadline. A thread cannot be cancelled: an overdue one is counted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

from airwarden.core.errors import AirwardenError, UnavailableError

T = TypeVar("T")

#: More threads than this waiting for systems that do not answer: no further call is begun.
MAX_OVERDUE = 32


class OverdueError(AirwardenError):
    """The call has not returned in time. It may still have its effect later."""


class Calls(Protocol):
    """How the engine calls actions, checks and senders."""

    def run(self, call: Callable[[], T], *, deadline: float, key: Hashable = None) -> T:
        """Return the call's result; raises what it raises, or OverdueError after `deadline` s."""
        ...

    def running(self, key: Hashable) -> bool:
        """Return whether an overdue call of that key has still not come back."""
        ...

    @property
    def overdue(self) -> int:
        """How many calls are late now."""
        ...


class InlineCalls:
    """Calls made on the spot, for tests with virtual time."""

    def run(self, call: Callable[[], T], *, deadline: float, key: Hashable = None) -> T:
        """Return the call's result."""
        return call()

    def running(self, key: Hashable) -> bool:
        """Nothing outlives its call here."""
        return False

    @property
    def overdue(self) -> int:
        """Always 0."""
        return 0


class _Call(Generic[T]):
    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self.finished = threading.Event()
        self.value: T | None = None
        self.error: BaseException | None = None

    def __call__(self) -> None:
        try:
            self.value = self._call()
        except BaseException as error:
            self.error = error
        finally:
            self.finished.set()

    def result(self) -> T:
        if self.error is not None and not isinstance(self.error, Exception):
            # A library that ends its interpreter must not end the thread that asked: it has other work.
            raise RuntimeError(f"the call ended with {self.error!r}") from self.error
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # set whenever there is no error


class ThreadedCalls:
    """Each call in a thread of its own, so that none waits behind one that hangs."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._late: dict[int, tuple[Hashable, threading.Event]] = {}
        self._count = 0

    def run(self, call: Callable[[], T], *, deadline: float, key: Hashable = None) -> T:
        """Return the call's result; raises what it raises, or OverdueError after `deadline` s."""
        if self.overdue >= MAX_OVERDUE:
            raise UnavailableError(f"{MAX_OVERDUE} calls are overdue: no further one is begun")
        task = _Call(call)
        thread = threading.Thread(target=task, daemon=True, name=f"call-{key or 'read'}")
        thread.start()
        if not task.finished.wait(deadline):
            with self._mutex:
                self._count += 1
                self._late[self._count] = (key, task.finished)
            raise OverdueError(f"no answer within {deadline:g} s")
        return task.result()

    def running(self, key: Hashable) -> bool:
        """Return whether an overdue call of that key has still not come back."""
        self._sweep()
        with self._mutex:
            return any(one == key for one, _ in self._late.values())

    @property
    def overdue(self) -> int:
        """How many calls are late now."""
        self._sweep()
        with self._mutex:
            return len(self._late)

    def _sweep(self) -> None:
        with self._mutex:
            done = [number for number, (_, event) in self._late.items() if event.is_set()]
            for number in done:
                del self._late[number]
