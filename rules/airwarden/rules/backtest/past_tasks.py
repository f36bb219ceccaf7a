"""What the exporter would have shown of task attempts: how many in each state, started, ended, how long."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from airwarden.core.history import TASK_STATES, PastTasks
from airwarden.core.metrics import metric
from airwarden.rules.backtest.building import KINDS, Column, Events, Observed, Things
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
class Setting:
    """What task attempts are told by.

    Attributes:
        grid: The evaluations.
        queues, pools: Their names, by their places.
        dags: The DAGs, the last one for those that are gone.
        cluster: The value of the label.
    """

    grid: Grid
    queues: Sequence[str]
    pools: Sequence[str]
    dags: Sequence[DagKind]
    cluster: str

    @property
    def common(self) -> Labels:
        """The labels of every series."""
        return {"cluster": self.cluster}

    def of_dags(self, name: str) -> Column:
        """Return a label that each DAG has; one that is gone has the place -1, and is the last."""
        values = sorted({str(getattr(dag, name)) for dag in self.dags})
        index = {value: place for place, value in enumerate(values)}
        places = np.array([index[str(getattr(dag, name))] for dag in self.dags], dtype=np.int32)
        return Column(name, values, places)


@dataclass(frozen=True, slots=True)
class Gathered:
    """One metric, gathered from pieces of the attempts.

    Attributes:
        take: Takes a piece.
        source: Returns the series once all pieces are taken.
    """

    take: Callable[[PastTasks], None]
    source: Callable[[], Source]


def task_sources(
    pieces: Iterable[PastTasks],
    wanted: Collection[str],
    grid: Grid,
    dags: Sequence[DagKind],
    cluster: str,
) -> Mapping[str, Source]:
    """Return metric's name → series, for those that are wanted; none without any attempt.

    Of millions of attempts only one piece is held at a time.
    """
    gathered: dict[str, Gathered] = {}
    for piece in pieces:
        if not gathered:
            setting = Setting(grid, piece.queues, piece.pools, dags, cluster)
            gathered = {n: build(setting) for n, build in BUILDERS.items() if n in wanted}
        for own in gathered.values():
            own.take(piece)
    return {name: gathered.pop(name).source() for name in list(gathered)}


def _started(by: Setting) -> Gathered:
    events = Events(by.grid, {"queue": by.queues})
    born = [(name,) for name in by.queues]

    def take(tasks: PastTasks) -> None:
        ran = _ran(tasks)
        events.happened(tasks.started[ran], [tasks.queue[ran]])

    return Gathered(take, lambda: events.flow(by.common, born))


def _waited(kind: str, by: Setting) -> Gathered:
    observed = Observed.of(by.grid, kind, {"queue": by.queues}, metric(_WAITED).buckets)

    def take(tasks: PastTasks) -> None:
        ran = _ran(tasks)
        started = tasks.started[ran]
        wait = np.maximum(started - tasks.queued[ran], 0.0)
        observed.take(started, wait, [tasks.queue[ran]])

    return Gathered(take, lambda: observed.source(by.common, []))


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


def _live(by: Setting) -> Gathered:
    """Task instances by state."""
    events = Events(by.grid, {"state": _STATES, "queue": by.queues, "pool": by.pools})
    common_place = "default" in by.queues and "default_pool" in by.pools
    born = [(name, "default", "default_pool") for name in _STATES] if common_place else []

    def take(tasks: PastTasks) -> None:
        for state, (begun, ended) in enumerate(_stretches(tasks)):
            places = [np.full(len(begun), state), tasks.queue, tasks.pool]
            events.were_there(begun, ended, places)

    return Gathered(take, lambda: events.flow(by.common, born))


def _oldest(by: Setting) -> Gathered:
    """The age of the oldest task instance of each state and queue."""
    labels = [
        {**by.common, "state": name, "queue": queue} for name in _STATES for queue in by.queues
    ]
    pieces: list[Things] = []

    def take(tasks: PastTasks) -> None:
        for state, (begun, ended) in enumerate(_stretches(tasks)):
            row = state * len(by.queues) + tasks.queue
            pieces.append(Things.seen(by.grid, begun, ended, row))

    return Gathered(take, lambda: Things.together(pieces).ages(by.grid, labels))


def _finished(by: Setting) -> Gathered:
    tier, team = by.of_dags("tier"), by.of_dags("team")
    events = Events(
        by.grid,
        {"state": _ENDED, "queue": by.queues, "tier": tier.values, "team": team.values},
    )
    born = [
        (name, "default", *kind)
        for name in ("success", "failed", "up_for_retry")
        for kind in sorted({(own.tier, own.team) for own in by.dags})
        if "default" in by.queues
    ]

    def take(tasks: PastTasks) -> None:
        over: Bools = ~np.isnan(tasks.ended) & (tasks.state < 5)
        state = np.where(tasks.retried & (tasks.state == _FAILED), 5, tasks.state)[over]
        dag = tasks.dag[over]
        places = [state, tasks.queue[over], tier.places[dag], team.places[dag]]
        events.happened(tasks.ended[over], places)

    return Gathered(take, lambda: events.flow(by.common, born))


def _lasted(kind: str, by: Setting) -> Gathered:
    tier = by.of_dags("tier")
    values = {"queue": by.queues, "tier": tier.values}
    observed = Observed.of(by.grid, kind, values, metric(_LASTED).buckets)

    def take(tasks: PastTasks) -> None:
        ran: Bools = (
            ~np.isnan(tasks.ended)
            & ~np.isnan(tasks.started)
            & ((tasks.state == _SUCCESS) | (tasks.state == _FAILED))
        )
        ended = tasks.ended[ran]
        seconds = np.maximum(ended - tasks.started[ran], 0.0)
        observed.take(ended, seconds, [tasks.queue[ran], tier.places[tasks.dag[ran]]])

    return Gathered(take, lambda: observed.source(by.common, []))


#: Metric's name → what gathers it.
BUILDERS: Mapping[str, Callable[[Setting], Gathered]] = {
    "airwarden_task_instances": _live,
    "airwarden_task_oldest_age_seconds": _oldest,
    "airwarden_task_instances_started_total": _started,
    "airwarden_task_instances_finished_total": _finished,
    **{f"{_WAITED}_{kind}": partial(_waited, kind) for kind in KINDS},
    **{f"{_LASTED}_{kind}": partial(_lasted, kind) for kind in KINDS},
}
