"""Circuit breakers for what Airwarden itself calls: pybreaker's, with storage that replicas share.

pybreaker trusts the wall clock and lets every replica probe at once. Here the age of an open breaker
is the journal's, and half-open is granted to one process by compare-and-set: the others go on seeing
it open, and take the probe over when it has not ended within the breaker's timeout.

pybreaker holds its lock during a call, and with it every other caller of the same breaker. So each call
has a breaker object of its own: what is shared are the rows, each kept for a moment, so that a call in
good times costs no query.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

import pybreaker

from airwarden.core.clock import Clock
from airwarden.core.errors import RejectedError, UnavailableError
from airwarden.remediation.journal.store import FencedError
from airwarden.remediation.world import BreakerRecord, BreakerState, BreakerStore, World

T = TypeVar("T")
#: Port of a world → its breaker's name.
_GUARDED = {"airflow": "airflow-api", "workers": "celery-control"}
#: Times that a lost compare-and-set is tried again before the count is given up.
_TRIES = 3
#: Seconds for which a closed row is taken as it was read: so late may another replica's opening be seen.
FRESH = 1.0
#: Seconds until an open breaker lets one probe through. Short, because a run waits out what is left of
#: it after the system has come back, and one probe at a time over all replicas is no load.
PROBE_AFTER = 2.0


class KeptStore:
    """A `BreakerStore` that keeps closed rows for a moment; open ones, and writes, are never late.

    Args:
        store: The shared rows.
        clock: Ages what is kept.
        fresh: Seconds for which a closed row is not read again.
    """

    def __init__(self, store: BreakerStore, clock: Clock, fresh: float = FRESH) -> None:
        self._store, self._clock, self._fresh = store, clock, fresh
        self._mutex = threading.Lock()
        self._kept: dict[str, tuple[float, BreakerRecord]] = {}

    def load(self, name: str) -> BreakerRecord:
        """Return the row; a closed one as it was at most `fresh` seconds ago."""
        now = self._clock.elapsed()
        with self._mutex:
            read_at, record = self._kept.get(name, (0.0, None))
        if record is not None and 0 <= now - read_at < self._fresh:
            return record
        record = self._store.load(name)
        if record.state is BreakerState.CLOSED:
            with self._mutex:
                self._kept[name] = (now, record)
        return record

    def change(
        self,
        seen: BreakerRecord,
        *,
        state: BreakerState,
        failures: int = 0,
        successes: int = 0,
        reopened: bool = False,
    ) -> bool:
        """Write if `rev` is still the one seen; what is kept is forgotten either way."""
        try:
            return self._store.change(
                seen, state=state, failures=failures, successes=successes, reopened=reopened
            )
        finally:
            with self._mutex:
                self._kept.pop(seen.name, None)


class SharedStorage(pybreaker.CircuitBreakerStorage):
    """pybreaker's storage over a `BreakerStore`; it writes only what changes.

    Args:
        store: The shared rows.
        name: `CLUSTER/NAME`.
        granted: The revision at which a half-open breaker's probe was granted to the caller.
    """

    def __init__(self, store: BreakerStore, name: str, granted: int | None = None) -> None:
        super().__init__(name)
        self._store = store
        self._granted = granted

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


def over(storage: SharedStorage, *, failures: int, timeout: float) -> pybreaker.CircuitBreaker:
    """Return pybreaker's breaker over the storage, for the caller's own use.

    Args:
        storage: Names the breaker and holds its state.
        failures: Consecutive failures that open it.
        timeout: Seconds until an open one lets a probe through.
    """

    def answered(error: BaseException) -> bool:
        """A refusal is an answer; what ends this process, or holds its call back, is none, but no
        failure of the system either."""
        if isinstance(error, Exception) and not isinstance(error, FencedError):
            return isinstance(error, RejectedError)
        # In a probe it must not count as an answer either: that would close the breaker.
        return storage.state == BreakerState.CLOSED.value

    return pybreaker.CircuitBreaker(
        fail_max=failures,
        reset_timeout=timeout,
        exclude=[answered],
        state_storage=storage,
        name=storage.name,
        throw_new_error_on_trip=False,
    )


class Breakers:
    """One breaker per system that Airwarden calls.

    Args:
        store: Shared by all replicas.
        clock: Ages what this process keeps of the rows.
        failures: Consecutive failures that open one.
        timeout: Seconds until an open one lets a probe through.
    """

    def __init__(
        self, store: BreakerStore, clock: Clock, *, failures: int = 5, timeout: float = PROBE_AFTER
    ) -> None:
        self._store = KeptStore(store, clock)
        self._failures, self._timeout = failures, timeout

    def call(self, name: str, function: Callable[[], T]) -> T:
        """Call through the breaker. What a system refuses is an answer and counts as none.

        Raises:
            UnavailableError: It is open; nothing was called.
        """
        storage = SharedStorage(self._store, name)
        breaker = over(storage, failures=self._failures, timeout=self._timeout)
        try:
            return breaker.call(function)
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
    breakers = Breakers(world.breakers, world.clock)
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
