"""Reports that wait for their attempt, and the latest verdicts; in memory, bounded, safe for threads.

One book a cluster. It outlives a reload of the configuration, not a restart: counters begin anew then,
too, and what failed before stands in Airflow.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from airwarden.core.clock import Clock
from airwarden.core.failures import AttemptKey, Cause, Evidence, Failure
from airwarden.exporters.failures.reports import Reported

#: Reports that wait, seconds that one waits, and verdicts that are kept.
MOST_WAITING, WAIT, MOST_KEPT = 5_000, 900.0, 2_000
#: Seconds after its last report for which a listener counts as there.
LISTENING = 86_400.0
ACCEPTED, DROPPED = "accepted", "dropped"


class FailureBook:
    """What is known of failed attempts of one cluster.

    Args:
        clock: Time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: OrderedDict[AttemptKey, tuple[float, Evidence]] = OrderedDict()
        self._kept: deque[Failure] = deque(maxlen=MOST_KEPT)
        self._reported_at: float | None = None
        self._counts: Counter[str] = Counter({ACCEPTED: 0, DROPPED: 0})

    def report(self, reported: Reported) -> None:
        """Take a listener's report; one that comes again replaces the one before."""
        now = self._clock.elapsed()
        with self._lock:
            self._reported_at = now
            self._counts[ACCEPTED] += 1
            self._waiting[reported.key] = (now, reported.evidence)
            self._waiting.move_to_end(reported.key)
            while self._waiting and (
                len(self._waiting) > MOST_WAITING
                or now - next(iter(self._waiting.values()))[0] > WAIT
            ):
                self._waiting.popitem(last=False)
                self._counts[DROPPED] += 1

    def take(self, key: AttemptKey) -> Evidence | None:
        """Return the report of an attempt, once."""
        with self._lock:
            found = self._waiting.pop(key, None)
        return found[1] if found else None

    @property
    def listening(self) -> bool:
        """Whether a listener has reported within a day, so that its word is worth waiting for."""
        with self._lock:
            at = self._reported_at
        return at is not None and self._clock.elapsed() - at < LISTENING

    def keep(self, failure: Failure) -> None:
        """Keep a verdict; the oldest makes room."""
        with self._lock:
            self._kept.append(failure)

    def find(
        self, dag_id: str = "", task_id: str = "", cause: str = "", *, limit: int = 20
    ) -> Sequence[Failure]:
        """Return kept verdicts, the newest first; empty names match all."""
        with self._lock:
            kept = list(self._kept)
        return [
            one
            for one in reversed(kept)
            if dag_id in ("", one.key.dag_id)
            and task_id in ("", one.key.task_id)
            and cause in ("", one.verdict.cause.value)
        ][:limit]

    def known_share(self, now: datetime, within: timedelta = timedelta(hours=1)) -> float | None:
        """Return the share of lately failed attempts whose cause is known; None without any."""
        with self._lock:
            lately = [one for one in self._kept if now - one.at <= within]
        if not lately:
            return None
        return sum(one.verdict.cause is not Cause.UNKNOWN for one in lately) / len(lately)

    def counts(self) -> Mapping[str, int]:
        """Return reports by what became of them."""
        with self._lock:
            return dict(self._counts)
