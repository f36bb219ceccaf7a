"""The wrapper around each collector: interval, deadline, thread, success, duration.

A thread cannot be cancelled, so a collect is given its deadline (`airwarden.core.work`): adapters wait for
another system no longer than that, and have the database cancel what it still works on. One that is overdue
all the same is not abandoned and started again: it counts as failed from that moment, and the next one
begins when it returns. What one collector does never touches another one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from airwarden.core.clock import Clock
from airwarden.core.errors import AirwardenError
from airwarden.core.work import work
from airwarden.exporters.families import Family

_log = structlog.get_logger(__name__)


class Collector(Protocol):
    """One thing to collect from one cluster.

    Attributes:
        name: The `collector` label.
        interval: Seconds between two collects' beginnings.
        timeout: Seconds after which a collect is overdue.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def interval(self) -> float: ...  # noqa: D102
    @property
    def timeout(self) -> float: ...  # noqa: D102

    def collect(self) -> Sequence[Family]:
        """Return every family of this collector, complete.

        Raises:
            PartialCollectError: Some families are known all the same.
            AirwardenError: Nothing could be collected.
        """
        ...


class PartialCollectError(AirwardenError):
    """A collect failed, and yet has something true to say (`airwarden_db_up 0`).

    Args:
        families: What is known; all else of this collector is dropped.
        cause: Why it failed.
    """

    def __init__(self, families: Sequence[Family], cause: Exception) -> None:
        self.families = tuple(families)
        super().__init__(str(cause))


@dataclass(frozen=True, slots=True)
class Timing:
    """When a collector runs; None keeps its own."""

    interval: float | None = None
    timeout: float | None = None
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Status:
    """How a collector is doing now.

    Attributes:
        success: The last collect ended well and in time, and none is overdue.
        duration: Seconds of the last collect, or of the present one when it is overdue.
        last_success: Unix time, 0 before the first.
        timeouts: Collects that were overdue.
        ran: Whether any collect has ended.
        age: Seconds since something was last collected; None before the first time.
        lag: Seconds by which the source of the last values was behind; None where it was no replica.
    """

    success: bool
    duration: float
    last_success: float
    timeouts: int
    ran: bool
    age: float | None
    lag: float | None


class CollectorRunner:
    """Runs one collector in a thread of its own.

    Args:
        collector: What to run.
        publish: Takes the families after each collect, whole; an empty sequence drops the old ones.
        clock: Time; its `wait` ends when `stop` is asked for.
        timing: The operator's changes.
        keep: Seconds for which the last good values stay after failures began.
        phase: How much of an interval after the first collect the second one follows. Collectors that begin
            together need not come together each time after that.
    """

    def __init__(
        self,
        collector: Collector,
        publish: Callable[[Sequence[Family]], None],
        clock: Clock,
        *,
        timing: Timing = Timing(),
        keep: float = 120.0,
        phase: float = 1.0,
    ) -> None:
        self.name = collector.name
        self.interval = timing.interval or collector.interval
        self.timeout = timing.timeout or collector.timeout
        self._collector = collector
        self._publish = publish
        self._clock = clock
        self._keep = max(keep, 3 * self.interval)
        self._phase = phase
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._begun: float | None = None
        self._counted_overdue = False
        self._ok = False
        self._ran = False
        self._duration = 0.0
        self._last_success = 0.0
        self._good_at: float | None = None
        self._timeouts = 0
        self._lag: float | None = None

    def start(self, cluster: str) -> None:
        """Start the thread."""
        self._thread = threading.Thread(
            target=self._loop, name=f"collect-{cluster}-{self.name}", daemon=True
        )
        self._thread.start()

    def stop(self, within: float = 5.0) -> None:
        """Stop after the present collect; returns when the thread has ended or `within` has passed."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(within)

    def status(self) -> Status:
        """Return how it is doing; an overdue collect counts as a timeout when it is first seen."""
        with self._lock:
            now = self._clock.elapsed()
            running = now - self._begun if self._begun is not None else 0.0
            overdue = running > self.timeout
            if overdue:
                self._count_overdue()
            return Status(
                success=self._ok and not overdue,
                duration=running if overdue else self._duration,
                last_success=self._last_success,
                timeouts=self._timeouts,
                ran=self._ran or overdue,
                age=now - self._good_at if self._good_at is not None else None,
                lag=self._lag,
            )

    def run_once(self) -> None:
        """Collect once, in this thread, and publish."""
        with self._lock:
            self._begun = begun = self._clock.elapsed()
            self._counted_overdue = False
        families: Sequence[Family] | None = None
        failure: Exception | None = None
        try:
            with work(self.timeout) as done:
                families = self._collector.collect()
            self._lag = done.lag
        except PartialCollectError as error:
            families, failure = error.families, error
        except Exception as error:  # whatever one collector does, the exporter goes on
            failure = error
        ended = self._clock.elapsed()
        shown = False
        # What was collected for a configuration that is no longer in force is not shown.
        if families is not None and not self._stop.is_set():
            try:
                self._publish(families)
                shown = True
            except Exception as error:  # what cannot be rendered is a failure as any other
                failure = error
        self._finish(begun, ended, shown, failure)

    def _finish(self, begun: float, now: float, shown: bool, failure: Exception | None) -> None:
        with self._lock:
            was_ok, first = self._ok, not self._ran
            self._duration = now - begun
            if self._duration > self.timeout:
                self._count_overdue()
            self._ok = failure is None and self._duration <= self.timeout
            self._ran = True
            self._begun = None
            if failure is None:
                self._good_at = now
            if self._ok:
                self._last_success = self._clock.now().timestamp()
            stale = self._good_at is None or now - self._good_at > self._keep
        if self._stop.is_set():
            return
        if stale and not shown:
            self._publish(())
        self._report(was_ok or first, failure)

    def _report(self, was_ok: bool, failure: Exception | None) -> None:
        """Log the first failure of a row with its cause, and the end of a row."""
        if failure is not None and was_ok:
            expected = isinstance(failure, AirwardenError)
            _log.warning(
                "collector failed",
                collector=self.name,
                error=str(failure) if expected else repr(failure),
                exc_info=None if expected else failure,
            )
        elif failure is None and not was_ok:
            _log.info("collector works again", collector=self.name)

    def _count_overdue(self) -> None:
        if not self._counted_overdue:
            self._counted_overdue = True
            self._timeouts += 1

    def _loop(self) -> None:
        due = self._clock.elapsed() + self.interval * self._phase
        while not self._stop.is_set():
            self.run_once()
            now = self._clock.elapsed()
            due = max(due, now + 0.05)  # one that took longer is not made up for
            self._stop.wait(due - now)
            due += self.interval
