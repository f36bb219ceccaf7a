"""Circuit breakers for what Airwarden itself calls: pybreaker's, with storage that replicas share.

pybreaker trusts the wall clock and lets every replica probe at once. Here the age of an open breaker
is the journal's, and half-open is granted to one process by compare-and-set: the others go on seeing
it open, and take the probe over when it has not ended within the breaker's timeout.

pybreaker holds its lock during a call: guard only calls that carry their own deadline.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

import pybreaker

from airwarden.core.errors import RejectedError, UnavailableError
from airwarden.remediation.journal.store import FencedError
from airwarden.remediation.world import BreakerRecord, BreakerState, BreakerStore, World

T = TypeVar("T")
#: Port of a world → its breaker's name.
_GUARDED = {"airflow": "airflow-api", "workers": "celery-control"}
#: Times that a lost compare-and-set is tried again before the count is given up.
_TRIES = 3


class SharedStorage(pybreaker.CircuitBreakerStorage):
    """pybreaker's storage over a `BreakerStore`; it writes only what changes.

    Args:
        store: The shared rows.
        name: `CLUSTER/NAME`.
    """

    def __init__(self, store: BreakerStore, name: str) -> None:
        super().__init__(name)
        self._store = store
        self._granted: int | None = None

    def _load(self) -> BreakerRecord:
        return self._store.load(self.name)

    def _ours(self, record: BreakerRecord) -> bool:
        return record.state is not BreakerState.HALF_OPEN or record.rev == self._granted

    @property
    def state(self) -> str:
        """The state; a half-open breaker whose probe is another's reads open."""
        record = self._load()
        return record.state.value if self._ours(record) else BreakerState.OPEN.value

    @state.setter
    def state(self, state: str) -> None:
        """Write the state; half-open only if no other process was granted it first."""
        wanted, record = BreakerState(state), self._load()
        if wanted is record.state and self._ours(record):
            return
        opened = wanted is not BreakerState.CLOSED
        if self._store.change(record, state=wanted, reopened=opened):
            self._granted = record.rev + 1 if wanted is BreakerState.HALF_OPEN else None
        elif wanted is BreakerState.HALF_OPEN:
            raise pybreaker.CircuitBreakerError(f"another process probes {self.name}")

    @property
    def opened_at(self) -> datetime | None:
        """When it opened or was probed last, so placed on this clock that its age is the store's."""
        record = self._load()
        if record.opened_age is None:
            return None
        return datetime.now(UTC) - timedelta(seconds=record.opened_age)

    @opened_at.setter
    def opened_at(self, datetime: datetime) -> None:
        """Do nothing: the store stamps its own time with the state."""

    @property
    def counter(self) -> int:
        """Consecutive failures."""
        return self._load().failures

    @property
    def success_counter(self) -> int:
        """Consecutive successes while half-open."""
        return self._load().successes

    def increment_counter(self) -> None:
        """Count a failure."""
        self._count(lambda record: (record.failures + 1, record.successes))

    def reset_counter(self) -> None:
        """Forget the failures."""
        self._count(lambda record: (0, record.successes))

    def increment_success_counter(self) -> None:
        """Count a success."""
        self._count(lambda record: (record.failures, record.successes + 1))

    def reset_success_counter(self) -> None:
        """Forget the successes."""
        self._count(lambda record: (record.failures, 0))

    def _count(self, change: Callable[[BreakerRecord], tuple[int, int]]) -> None:
        for _ in range(_TRIES):
            record = self._load()
            failures, successes = change(record)
            if (failures, successes) == (record.failures, record.successes):
                return
            if self._store.change(
                record, state=record.state, failures=failures, successes=successes
            ):
                if record.rev == self._granted:
                    self._granted = record.rev + 1
                return


class Breakers:
    """One breaker per system that Airwarden calls, made when first used.

    Args:
        store: Shared by all replicas.
        failures: Consecutive failures that open one.
        timeout: Seconds until an open one lets a probe through.
    """

    def __init__(self, store: BreakerStore, *, failures: int = 5, timeout: float = 10.0) -> None:
        self._store, self._failures, self._timeout = store, failures, timeout
        self._lock = threading.Lock()
        self._made: dict[str, pybreaker.CircuitBreaker] = {}

    def breaker(self, name: str) -> pybreaker.CircuitBreaker:
        """Return the breaker of `CLUSTER/NAME`."""
        with self._lock:
            if name not in self._made:
                self._made[name] = pybreaker.CircuitBreaker(
                    fail_max=self._failures,
                    reset_timeout=self._timeout,
                    # A refusal is an answer; a call that was held back says nothing about the system.
                    exclude=[RejectedError, FencedError],
                    state_storage=SharedStorage(self._store, name),
                    name=name,
                    throw_new_error_on_trip=False,
                )
            return self._made[name]

    def call(self, name: str, function: Callable[[], T]) -> T:
        """Call through the breaker. What a system refuses is an answer and counts as none.

        Raises:
            UnavailableError: It is open; nothing was called.
        """
        try:
            return self.breaker(name).call(function)
        except pybreaker.CircuitBreakerError as error:
            raise UnavailableError(f"breaker {name} is open: {error}") from None

    def guarded(self, name: str, port: T) -> T:
        """Return the port with every method called through the breaker."""
        return cast(T, _Guarded(self, name, port))


def guard(world: World) -> World:
    """Return the world with Airflow's API and Celery's remote control behind shared breakers.

    The host and the metadata database are left as they are: they say why the others do not answer.
    """
    if world.breakers is None:
        return world
    breakers = Breakers(world.breakers)
    changes: dict[str, Any] = {}
    for port, name in _GUARDED.items():
        if world.has(port):
            key = f"{world.cluster}/{name}"
            changes[port] = breakers.guarded(key, getattr(world, port))
    return replace(world, **changes)


def within(port: T, wrap: Callable[[T], object]) -> T:
    """Return the port with `wrap` around what really calls, inside its breaker if it has one."""
    if isinstance(port, _Guarded):
        return cast(T, port.around(wrap))
    return cast(T, wrap(port))


class _Guarded:
    """A port's methods, each behind the breaker."""

    def __init__(self, breakers: Breakers, name: str, port: object) -> None:
        self._breakers, self._name, self._port = breakers, name, port

    def around(self, wrap: Callable[[Any], object]) -> _Guarded:
        """Return the same with the port wrapped."""
        return _Guarded(self._breakers, self._name, wrap(self._port))

    def __getattr__(self, attribute: str) -> Any:
        method = getattr(self._port, attribute)
        if not callable(method):
            return method

        def through(*arguments: Any, **keywords: Any) -> Any:
            return self._breakers.call(self._name, lambda: method(*arguments, **keywords))

        return through
