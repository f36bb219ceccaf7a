"""What Airflow's own tables tell of the past: compact, since it is a month of a large platform.

Moments are Unix time in seconds, NaN where something has not happened. Arrays of one object go together, an
element a row. Pure: values only, and the port that gives them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Moments: TypeAlias = NDArray[np.float64]
    Codes: TypeAlias = NDArray[np.int32]

#: A run's states and types by their codes; what is none of them has the last code.
RUN_STATES = ("queued", "running", "success", "failed", "other")
RUN_TYPES = ("scheduled", "manual", "asset_triggered", "backfill", "other")
#: States of a task attempt by their codes.
TASK_STATES = ("success", "failed", "skipped", "upstream_failed", "removed", "open", "other")

#: Told how much of the reading is done, from 0 to 1.
Progress: TypeAlias = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class PastDag:
    """A DAG as it is now: of its labels in the past Airflow keeps nothing."""

    dag_id: str
    tags: tuple[str, ...] = ()
    paused: bool = False
    stale: bool = False
    max_active_runs: int = 16


@dataclass(frozen=True, slots=True)
class PastRuns:
    """DAG runs.

    Attributes:
        dag: Place among the DAGs; -1 for a run of one that is gone.
        state, run_type: Codes.
        due: When it could start at the earliest (`run_after`).
        created, queued, started, ended: When that happened.
    """

    dag: Codes
    state: Codes
    run_type: Codes
    due: Moments
    created: Moments
    queued: Moments
    started: Moments
    ended: Moments

    def __len__(self) -> int:
        """Return how many."""
        return len(self.dag)


@dataclass(frozen=True, slots=True)
class PastTasks:
    """Task attempts, those that another one followed included.

    Attributes:
        dag: Place among the DAGs; -1 for one of a DAG that is gone.
        queue, pool: Places among `queues` and `pools`.
        state: Code; a failed attempt that another one followed has `retried` set.
        scheduled, queued, started, ended: When that happened.
    """

    queues: tuple[str, ...]
    pools: tuple[str, ...]
    dag: Codes
    queue: Codes
    pool: Codes
    state: Codes
    retried: NDArray[np.bool_]
    scheduled: Moments
    queued: Moments
    started: Moments
    ended: Moments

    def __len__(self) -> int:
        """Return how many."""
        return len(self.dag)


class PastOfAirflow(Protocol):
    """Airflow's metadata database as a record of the past, read in short pieces."""

    def dags(self) -> Sequence[PastDag]:
        """Return every DAG.

        Raises:
            AirwardenError: It does not answer, refuses, or holds another schema.
        """
        ...

    def runs(self, since: float, until: float, progress: Progress) -> PastRuns:
        """Return the runs that were open or ended between two moments."""
        ...

    def tasks(self, since: float, until: float, progress: Progress) -> Iterator[PastTasks]:
        """Yield the task attempts that were open or ended between two moments, piece by piece.

        All pieces have the same `queues` and `pools`.
        """
        ...
