"""What the exporter would have shown of task attempts: how many in each state, started, ended, how long."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from airwarden.core.history import TASK_STATES, PastTasks
from airwarden.core.metrics import metric
from airwarden.rules.backtest.building import (
    KINDS,
    Column,
    counter,
    histogram,
    oldest,
    open_things,
)
from airwarden.rules.backtest.grid import Grid
from airwarden.rules.backtest.past_metrics import DagKind
from airwarden.rules.backtest.sources import Source
from airwarden.rules.backtest.vectors import Bools, Floats, Labels

_STATES = ("scheduled", "queued", "running")
_ENDED = (*TASK_STATES[:5], "up_for_retry")
_SUCCESS, _FAILED = TASK_STATES.index("success"), TASK_STATES.index("failed")


_WAITED = "airwarden_task_queue_wait_seconds"
_LASTED = "airwarden_task_duration_seconds"


@dataclass(frozen=True, slots=True)
class PastOfTasks:
    """Task attempts, and what is said of them.

    Attributes:
        grid: The evaluations.
        tasks: The attempts.
        dags: The DAGs, the last one for those that are gone.
        cluster: The value of the label.
    """

    grid: Grid
    tasks: PastTasks
    dags: Sequence[DagKind]
    cluster: str

    @property
    def common(self) -> Labels:
        """The labels of every series."""
        return {"cluster": self.cluster}

    def queue(self, chosen: Bools) -> Column:
        """Return the label of some attempts' queues."""
        return Column("queue", self.tasks.queues, self.tasks.queue[chosen])

    def of_dag(self, name: str, chosen: Bools) -> Column:
        """Return a label that some attempts have from their DAGs."""
        values = sorted({str(getattr(dag, name)) for dag in self.dags})
        index = {value: place for place, value in enumerate(values)}
        # A DAG that is gone has the place -1, and is the last.
        of_dag = np.array([index[str(getattr(dag, name))] for dag in self.dags], dtype=np.int32)
        return Column(name, values, of_dag[self.tasks.dag[chosen]])


def task_sources(past: PastOfTasks, wanted: Collection[str]) -> Mapping[str, Source]:
    """Return metric's name → series, for those that are wanted: of millions of attempts each takes memory."""
    return {name: build(past) for name, build in BUILDERS.items() if name in wanted}


def _started(past: PastOfTasks) -> Source:
    ran = _ran(past.tasks)
    born = [(name,) for name in past.tasks.queues]
    return counter(past.grid, past.tasks.started[ran], [past.queue(ran)], past.common, born)


def _waited(kind: str, past: PastOfTasks) -> Source:
    ran = _ran(past.tasks)
    started = past.tasks.started[ran]
    wait = np.maximum(started - past.tasks.queued[ran], 0.0)
    return histogram(
        past.grid, kind, started, wait, [past.queue(ran)], past.common, [], metric(_WAITED).buckets
    )  # fmt: skip


def _ran(tasks: PastTasks) -> Bools:
    ran: Bools = ~np.isnan(tasks.started) & ~np.isnan(tasks.queued)
    return ran


def _stretches(tasks: PastTasks) -> Iterator[tuple[Floats, Floats]]:
    """Yield, for each of the states, from when to when each attempt was in it."""
    over = np.fmin(tasks.started, tasks.ended)
    for begun, ended in (
        (tasks.scheduled, np.fmin(tasks.queued, over)),
        (tasks.queued, over),
        (tasks.started, tasks.ended),
    ):
        # A row that was made anew keeps the moments of its former self: what is out of order never was.
        yield np.where(begun > ended, np.nan, begun), ended


def _live(past: PastOfTasks) -> Source:
    """Task instances by state."""
    tasks, grid = past.tasks, past.grid
    parts = []
    for state, (begun, ended) in enumerate(_stretches(tasks)):
        # Most are in a state for less than a scrape takes to come round.
        seen = (grid.sees(ended) > grid.sees(begun)) & ~np.isnan(begun)
        codes = np.full(int(seen.sum()), state, dtype=np.int32)
        parts.append((begun[seen], ended[seen], codes, tasks.queue[seen], tasks.pool[seen]))
    begun, ended, states, queues, pools = (
        np.concatenate(part) for part in zip(*parts, strict=True)
    )
    common_place = "default" in tasks.queues and "default_pool" in tasks.pools
    return open_things(
        grid,
        begun,
        ended,
        [
            Column("state", _STATES, states),
            Column("queue", tasks.queues, queues),
            Column("pool", tasks.pools, pools),
        ],
        past.common,
        [(name, "default", "default_pool") for name in _STATES] if common_place else [],
    )


def _oldest(past: PastOfTasks) -> Source:
    """The age of the oldest task instance of each state and queue."""
    tasks, grid = past.tasks, past.grid
    labels = [
        {**past.common, "state": name, "queue": queue} for name in _STATES for queue in tasks.queues
    ]
    parts = []
    for state, (begun, ended) in enumerate(_stretches(tasks)):
        seen = (grid.sees(ended) > grid.sees(begun)) & ~np.isnan(begun)
        parts.append((begun[seen], ended[seen], state * len(tasks.queues) + tasks.queue[seen]))
    begun, ended, rows = (np.concatenate(part) for part in zip(*parts, strict=True))
    return oldest(grid, begun, begun, ended, rows, labels)


def _finished(past: PastOfTasks) -> Source:
    tasks = past.tasks
    over: Bools = ~np.isnan(tasks.ended) & (tasks.state < 5)
    state = np.where(tasks.retried & (tasks.state == _FAILED), 5, tasks.state)[over]
    return counter(
        past.grid,
        tasks.ended[over],
        [
            Column("state", _ENDED, state),
            past.queue(over),
            past.of_dag("tier", over),
            past.of_dag("team", over),
        ],
        past.common,
        [
            (name, "default", *kind)
            for name in ("success", "failed", "up_for_retry")
            for kind in sorted({(own.tier, own.team) for own in past.dags})
            if "default" in tasks.queues
        ],
    )


def _lasted(kind: str, past: PastOfTasks) -> Source:
    tasks = past.tasks
    ran: Bools = (
        ~np.isnan(tasks.ended)
        & ~np.isnan(tasks.started)
        & ((tasks.state == _SUCCESS) | (tasks.state == _FAILED))
    )
    ended = tasks.ended[ran]
    return histogram(
        past.grid,
        kind,
        ended,
        np.maximum(ended - tasks.started[ran], 0.0),
        [past.queue(ran), past.of_dag("tier", ran)],
        past.common,
        [],
        metric(_LASTED).buckets,
    )


#: Metric's name → what builds it.
BUILDERS: Mapping[str, Callable[[PastOfTasks], Source]] = {
    "airwarden_task_instances": _live,
    "airwarden_task_oldest_age_seconds": _oldest,
    "airwarden_task_instances_started_total": _started,
    "airwarden_task_instances_finished_total": _finished,
    **{f"{_WAITED}_{kind}": partial(_waited, kind) for kind in KINDS},
    **{f"{_LASTED}_{kind}": partial(_lasted, kind) for kind in KINDS},
}
