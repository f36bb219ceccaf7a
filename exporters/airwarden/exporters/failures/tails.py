"""Ends of task logs through Airflow's REST API: few, short, and of the attempts that matter most.

Airflow reads and sends a whole log for every request, so their number per minute is bounded, and so are
the bytes of each; of one task's many failures one log stands for the others for a while.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from airwarden.core.clock import Clock
from airwarden.core.errors import AirwardenError, NotFoundError
from airwarden.core.failures import AttemptKey, Evidence
from airwarden.core.platform import TaskKey
from airwarden.core.ports import Airflow
from airwarden.exporters.failures.logs import evidence_of

#: Bytes from a log's end that are looked at.
KEEP = 65_536
READ, TOO_LONG, MISSING, FAILED = "read", "too_long", "missing", "failed"


class LogTails:
    """Reads ends of logs within a rate.

    Args:
        airflow: The API.
        clock: Time.
        per_minute: Most logs a minute; as many can be read at once after a quiet minute.
        most: Most bytes of one log; the end of a longer one is not seen.
    """

    def __init__(self, airflow: Airflow, clock: Clock, *, per_minute: int, most: int) -> None:
        self._airflow = airflow
        self._clock = clock
        self._per_minute = per_minute
        self._most = most
        self._tokens = float(per_minute)
        self._filled_at = clock.elapsed()
        self._outcomes: Counter[str] = Counter(dict.fromkeys((READ, TOO_LONG, MISSING, FAILED), 0))

    def may_read(self) -> bool:
        """Whether the rate allows another one now."""
        now = self._clock.elapsed()
        refill = (now - self._filled_at) * self._per_minute / 60.0
        self._tokens = min(float(self._per_minute), self._tokens + refill)
        self._filled_at = now
        return self._tokens >= 1.0

    def read(self, key: AttemptKey) -> Evidence | None:
        """Return what the end of an attempt's log says; None where there is none to be had.

        Raises:
            AirwardenError: Airflow did not answer: another attempt's log is not to be had either.
        """
        self._tokens -= 1.0
        task = TaskKey(key.dag_id, key.run_id, key.task_id, key.map_index)
        try:
            tail = self._airflow.log_tail(task, key.try_number, most=self._most, keep=KEEP)
        except NotFoundError:
            self._outcomes[MISSING] += 1
            return None
        except AirwardenError:
            self._outcomes[FAILED] += 1
            raise
        self._outcomes[READ if tail.whole else TOO_LONG] += 1
        return evidence_of(tail.text) if tail.whole else None

    def outcomes(self) -> Mapping[str, int]:
        """Return logs that were asked for, by what became of it."""
        return dict(self._outcomes)
