"""What the exporter would have shown of task attempts: how many in each state, started, ended, how long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from airwarden.core.history import TASK_STATES, PastTasks
from airwarden.core.metrics import metric
from airwarden.rules.backtest.building import Column, counter, histogram, oldest, open_things
from airwarden.rules.backtest.grid import Grid
from airwarden.rules.backtest.past_metrics import DagKind
from airwarden.rules.backtest.sources import Source
from airwarden.rules.backtest.vectors import Bools

_STATES = ("scheduled", "queued", "running")
_ENDED = (*TASK_STATES[:5], "up_for_retry")
_SUCCESS, _FAILED = TASK_STATES.index("success"), TASK_STATES.index("failed")


def task_sources(
    grid: Grid, tasks: PastTasks, dags: Sequence[DagKind], cluster: str
) -> Mapping[str, Source]:
    """Return metric's name → series.

    Args:
        grid: The evaluations.
        tasks: The attempts.
        dags: The DAGs, the last one for those that are gone.
        cluster: The value of the label.
    """
    common = {"cluster": cluster}
    dag = np.where(tasks.dag < 0, len(dags) - 1, tasks.dag)
    queue = Column("queue", tasks.queues, tasks.queue)
    ran = ~np.isnan(tasks.started) & ~np.isnan(tasks.queued)
    started = counter(
        grid, tasks.started[ran], [queue.only(ran)], common, [(name,) for name in tasks.queues]
    )
    wait = np.maximum(tasks.started[ran] - tasks.queued[ran], 0.0)
    waited = "airwarden_task_queue_wait_seconds"
    found: dict[str, Source] = {
        "airwarden_task_instances_started_total": started,
        **histogram(
            grid, waited, tasks.started[ran], wait, [queue.only(ran)], common, [],
            metric(waited).buckets,
        ),
    }  # fmt: skip
    found |= _live(grid, tasks, common)
    found |= _ended(grid, tasks, dag, dags, common)
    return found


def _live(grid: Grid, tasks: PastTasks, common: Mapping[str, str]) -> dict[str, Source]:
    """Task instances by state, and the age of the oldest."""
    over = np.fmin(tasks.started, tasks.ended)
    begun = (tasks.scheduled, tasks.queued, tasks.started)
    ended = (np.fmin(tasks.queued, over), over, tasks.ended)
    # A row that was made anew keeps the moments of its former self: what is out of order never was.
    begun = tuple(np.where(b > e, np.nan, b) for b, e in zip(begun, ended, strict=True))  # type: ignore[assignment]
    number = len(tasks)
    state = np.repeat(np.arange(3, dtype=np.int32), number)
    queue = np.concatenate([tasks.queue] * 3)
    all_begun, all_ended = np.concatenate(begun), np.concatenate(ended)
    flow = open_things(
        grid,
        all_begun,
        all_ended,
        [
            Column("state", _STATES, state),
            Column("queue", tasks.queues, queue),
            Column("pool", tasks.pools, np.concatenate([tasks.pool] * 3)),
        ],
        common,
        [(name, "default", "default_pool") for name in _STATES]
        if "default" in tasks.queues and "default_pool" in tasks.pools
        else [],
    )
    labels = [
        {**common, "state": name, "queue": queue_name}
        for name in _STATES
        for queue_name in tasks.queues
    ]
    ages = oldest(grid, all_begun, all_begun, all_ended, state * len(tasks.queues) + queue, labels)
    return {"airwarden_task_instances": flow, "airwarden_task_oldest_age_seconds": ages}


def _ended(
    grid: Grid,
    tasks: PastTasks,
    dag: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    dags: Sequence[DagKind],
    common: Mapping[str, str],
) -> dict[str, Source]:
    over: Bools = ~np.isnan(tasks.ended) & (tasks.state < 5)
    state = np.where(tasks.retried & (tasks.state == _FAILED), 5, tasks.state)[over]
    queue = Column("queue", tasks.queues, tasks.queue[over])
    tier, team = (_of_dag(name, dag[over], dags) for name in ("tier", "team"))
    finished = counter(
        grid,
        tasks.ended[over],
        [Column("state", _ENDED, state), queue, tier, team],
        common,
        [
            (name, "default", *kind)
            for name in ("success", "failed", "up_for_retry")
            for kind in sorted({(own.tier, own.team) for own in dags})
            if "default" in tasks.queues
        ],
    )
    ran = over & ~np.isnan(tasks.started) & np.isin(tasks.state, (_SUCCESS, _FAILED))
    lasted = "airwarden_task_duration_seconds"
    seconds = np.maximum(tasks.ended[ran] - tasks.started[ran], 0.0)
    return {
        "airwarden_task_instances_finished_total": finished,
        **histogram(
            grid,
            lasted,
            tasks.ended[ran],
            seconds,
            [
                Column("queue", tasks.queues, tasks.queue[ran]),
                _of_dag("tier", dag[ran], dags),
            ],
            common,
            [],
            metric(lasted).buckets,
        ),
    }


def _of_dag(
    name: str, places: np.ndarray[tuple[int, ...], np.dtype[np.int64]], dags: Sequence[DagKind]
) -> Column:
    values = sorted({str(getattr(dag, name)) for dag in dags})
    index = {value: place for place, value in enumerate(values)}
    of_dag = np.array([index[str(getattr(dag, name))] for dag in dags], dtype=np.int32)
    return Column(name, values, of_dag[places])
