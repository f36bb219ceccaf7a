"""What the exporter would have shown: its metrics of runs and tasks, rebuilt from Airflow's history.

As of an exporter that had been running for long before. What history does not tell is left out, and an
alert that needs it is not judged: Airflow keeps the last end of a run only, so one that was cleared counts
once; whether a DAG was paused then is not kept, so it counts as it is now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from airwarden.core.history import RUN_STATES, RUN_TYPES, PastRuns
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
from airwarden.rules.backtest.sources import Latest, Source
from airwarden.rules.backtest.vectors import Bools, Floats, Ints, Labels

#: Seconds after which a run is late, as the exporter counts it.
_GRACE = 15.0
#: Runs whose wait for a free place among their DAG's active runs is looked into.
_WAITING = 100_000
_ENDINGS = ("success", "failed")
_SUCCESS, _FAILED = RUN_STATES.index("success"), RUN_STATES.index("failed")
_SCHEDULED, _BACKFILL = RUN_TYPES.index("scheduled"), RUN_TYPES.index("backfill")
CRITICAL = "critical"
_DURATION = "airwarden_dag_run_duration_seconds"
_DELAY = "airwarden_dag_run_schedule_delay_seconds"

Build = Callable[["PastOfRuns"], Mapping[str, Source]]


@dataclass(frozen=True, slots=True)
class DagKind:
    """What the exporter's labels say of a DAG."""

    dag_id: str
    type: str
    tier: str
    team: str
    paused: bool = False
    max_active_runs: int = 16
    #: Seconds that its last success may be old; 0 where nothing is agreed.
    sla: float = 0.0


@dataclass(slots=True)
class PastOfRuns(Mapping[str, Source]):
    """Metric's name → series; each metric is built when it is first asked for.

    Attributes:
        grid: The evaluations.
        runs: The runs, of which `dag` points into `dags`.
        dags: The DAGs; the last one stands for those that are gone.
        cluster: The value of the label.
    """

    grid: Grid
    runs: PastRuns
    dags: Sequence[DagKind]
    cluster: str
    _built: dict[str, Source] = field(default_factory=dict)
    _named: dict[str, Sequence[str]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Source:
        """Return a metric's series."""
        if name not in self._built:
            self._built.update(BUILDERS[name](self))
        return self._built[name]

    def __contains__(self, name: object) -> bool:
        """Return whether history tells of a metric; builds nothing."""
        return name in BUILDERS

    def __iter__(self) -> Iterator[str]:
        """Iterate over the metrics that history tells of."""
        return iter(BUILDERS)

    def __len__(self) -> int:
        """Return how many metrics history tells of."""
        return len(BUILDERS)

    @property
    def common(self) -> Labels:
        """The labels of every series."""
        return {"cluster": self.cluster}

    def dag_column(self, name: str, chosen: Bools) -> Column:
        """Return a label that a run has from its DAG."""
        own = self._of_dags(name)
        values = sorted(set(own))
        index = {value: place for place, value in enumerate(values)}
        of_dag = np.array([index[value] for value in own], dtype=np.int32)
        return Column(name, values, of_dag[self.runs.dag[chosen]])

    def code_column(self, name: str, values: Sequence[str], chosen: Bools) -> Column:
        """Return a label that is a run's own."""
        return Column(name, values, getattr(self.runs, name)[chosen])

    def kinds(self, *names: str) -> list[tuple[str, ...]]:
        """Return the combinations of labels that the fleet has."""
        return sorted(set(zip(*map(self._of_dags, names), strict=True)))

    def _of_dags(self, name: str) -> Sequence[str]:
        """Return each DAG's value of a label."""
        if name not in self._named:
            self._named[name] = [str(getattr(dag, name)) for dag in self.dags]
        return self._named[name]

    @property
    def paused(self) -> Bools:
        """Which runs belong to a DAG that is paused now."""
        found: Bools = np.array([dag.paused for dag in self.dags])[self.runs.dag]
        return found


def _ended(past: PastOfRuns) -> Bools:
    ended: Bools = ~np.isnan(past.runs.ended) & np.isin(past.runs.state, (_SUCCESS, _FAILED))
    return ended


def _finished(past: PastOfRuns) -> Mapping[str, Source]:
    chosen = _ended(past)
    columns = [
        past.code_column("state", RUN_STATES, chosen),
        past.code_column("run_type", RUN_TYPES, chosen),
        *(past.dag_column(name, chosen) for name in ("type", "tier", "team")),
    ]
    born = [
        (state, "scheduled", *kind)
        for state in _ENDINGS
        for kind in past.kinds("type", "tier", "team")
    ]
    flow = counter(past.grid, past.runs.ended[chosen], columns, past.common, born)
    return {"airwarden_dag_runs_finished_total": flow}


def _duration(kind: str, past: PastOfRuns) -> Mapping[str, Source]:
    chosen = _ended(past) & ~np.isnan(past.runs.started)
    columns = [
        past.code_column("state", RUN_STATES, chosen),
        *(past.dag_column(label, chosen) for label in ("type", "tier")),
    ]
    ended = past.runs.ended[chosen]
    seconds = np.maximum(ended - past.runs.started[chosen], 0.0)
    born = [(state, *kind) for state in _ENDINGS for kind in past.kinds("type", "tier")]
    buckets = metric(_DURATION).buckets
    found = histogram(past.grid, kind, ended, seconds, columns, past.common, born, buckets)
    return {f"{_DURATION}_{kind}": found}


def _delay(kind: str, past: PastOfRuns) -> Mapping[str, Source]:
    chosen = (past.runs.run_type == _SCHEDULED) & ~np.isnan(past.runs.started)
    started = past.runs.started[chosen]
    seconds = np.maximum(started - past.runs.due[chosen], 0.0)
    columns = [past.dag_column(label, chosen) for label in ("tier", "team")]
    born = past.kinds("tier", "team")
    buckets = metric(_DELAY).buckets
    found = histogram(past.grid, kind, started, seconds, columns, past.common, born, buckets)
    return {f"{_DELAY}_{kind}": found}


def _open_runs(past: PastOfRuns) -> Mapping[str, Source]:
    runs = past.runs
    everything = np.ones(len(runs), dtype=bool)
    # A queued run that ended without having started was queued until then.
    begun = np.fmin(runs.started, runs.ended)
    states = np.repeat(np.array([0, 1], dtype=np.int32), len(runs))
    columns = [
        Column("state", RUN_STATES[:2], states),
        *(
            Column(c.name, c.values, np.concatenate([c.places, c.places]).astype(np.int32))
            for c in (past.dag_column(name, everything) for name in ("tier", "team"))
        ),
    ]
    flow = open_things(
        past.grid,
        np.concatenate([runs.queued, runs.started]),
        np.concatenate([begun, runs.ended]),
        columns,
        past.common,
        [(state, *kind) for state in RUN_STATES[:2] for kind in past.kinds("tier", "team")],
    )
    return {"airwarden_dag_runs": flow}


def _oldest(past: PastOfRuns) -> Mapping[str, Source]:
    runs = past.runs
    tier = past.dag_column("tier", np.ones(len(runs), dtype=bool))
    labels = [
        {**past.common, "state": state, "tier": value}
        for state in RUN_STATES[:2]
        for value in tier.values
    ]
    queued = np.where(past.paused, np.nan, np.fmax(runs.queued, runs.due))
    found = oldest(
        past.grid,
        np.concatenate([queued, runs.started]),
        np.concatenate([queued, runs.started]),
        np.concatenate([np.fmin(runs.started, runs.ended), runs.ended]),
        np.concatenate([tier.places, tier.places + len(tier.values)]),
        labels,
    )
    return {"airwarden_dag_run_oldest_age_seconds": found}


def _lags(past: PastOfRuns) -> tuple[Bools, Floats, Bools, Floats, Floats]:
    """Return what was due and not made, and what was queued and could have begun since when."""
    runs = past.runs
    wanted = (runs.run_type != _BACKFILL) & ~past.paused
    not_made = wanted & (runs.run_type == _SCHEDULED) & ~np.isnan(runs.created)
    since = np.fmax(runs.queued, runs.due)
    not_begun = wanted & ~np.isnan(since)
    free = _room(past, since, not_begun)
    return not_made, runs.due, not_begun, since, free


def _room(past: PastOfRuns, since: Floats, waiting: Bools) -> Floats:
    """Return since when each run's DAG had room for it among its active runs."""
    runs = past.runs
    free = since.copy()
    long = np.flatnonzero(waiting & ~(runs.started - since < past.grid.step))
    if not len(long) or len(long) > _WAITING:
        return free
    order = np.lexsort((runs.started, runs.dag))
    of_dag = runs.dag[order]
    for row in long.tolist():
        limit = past.dags[runs.dag[row]].max_active_runs
        low, high = np.searchsorted(of_dag, [runs.dag[row], runs.dag[row] + 1])
        others = order[low:high]
        until = runs.started[row] if not np.isnan(runs.started[row]) else np.inf
        running = others[(runs.started[others] < until) & ~(runs.ended[others] <= since[row])]
        if len(running) >= limit:
            ends = np.sort(np.nan_to_num(runs.ended[running], nan=np.inf))
            free[row] = ends[len(running) - limit]
    return free


def _lag(past: PastOfRuns) -> Mapping[str, Source]:
    runs = past.runs
    not_made, due, not_begun, since, free = _lags(past)
    found = oldest(
        past.grid,
        np.concatenate([due[not_made], since[not_begun]]),
        np.concatenate([due[not_made], free[not_begun]]),
        np.concatenate([runs.created[not_made], np.fmin(runs.started, runs.ended)[not_begun]]),
        np.zeros(int(not_made.sum() + not_begun.sum()), dtype=np.int32),
        [past.common],
    )
    return {"airwarden_scheduler_lag_seconds": found}


def _overdue(past: PastOfRuns) -> Mapping[str, Source]:
    runs = past.runs
    not_made, due, not_begun, _, free = _lags(past)
    both = np.concatenate([np.flatnonzero(not_made), np.flatnonzero(not_begun)])
    kind = np.repeat(np.array([0, 1], dtype=np.int32), [not_made.sum(), not_begun.sum()])
    everything = np.ones(len(runs), dtype=bool)
    columns = [
        *(past.dag_column(name, everything).only(both) for name in ("tier", "team")),
        Column("kind", ("not_created", "not_started"), kind),
    ]
    flow = open_things(
        past.grid,
        np.concatenate([due[not_made], free[not_begun]]) + _GRACE,
        np.concatenate([runs.created[not_made], np.fmin(runs.started, runs.ended)[not_begun]]),
        columns,
        past.common,
    )
    return {"airwarden_dag_runs_overdue": flow}


def _by_end(past: PastOfRuns, chosen: Bools) -> Ints:
    rows = np.flatnonzero(chosen)
    return rows[np.argsort(past.runs.ended[rows], kind="stable")]


def _successes(past: PastOfRuns, wanted: Sequence[int], label: str, prefix: str) -> Latest:
    """Return when each of some DAGs last succeeded, as a gauge."""
    place = np.full(len(past.dags), -1)
    place[list(wanted)] = np.arange(len(wanted))
    rows = _by_end(past, _ended(past) & (past.runs.state == _SUCCESS))
    rows = rows[place[past.runs.dag[rows]] >= 0]
    at = past.grid.sees(past.runs.ended[rows])
    kept = at < past.grid.whole.end
    rows, at = rows[kept], at[kept]
    labels = [
        {
            **past.common,
            label: f"{prefix}{past.dags[dag].dag_id}",
            "tier": past.dags[dag].tier,
            "team": past.dags[dag].team,
        }
        for dag in wanted
    ]
    return Latest(
        labels,
        place[past.runs.dag[rows]].astype(np.int32),
        at.astype(np.int32),
        past.runs.ended[rows],
        np.full(len(wanted), np.nan),
        lasting=True,
    )


def _last_success(past: PastOfRuns) -> Mapping[str, Source]:
    wanted = [place for place, dag in enumerate(past.dags) if dag.tier == CRITICAL][:500]
    found = _successes(past, wanted, "dag_id", "")
    return {"airwarden_dag_last_success_timestamp_seconds": found}


def _freshness(past: PastOfRuns) -> Mapping[str, Source]:
    wanted = [place for place, dag in enumerate(past.dags) if dag.sla and not dag.paused]
    ages = np.array([[past.dags[dag].sla] for dag in wanted]).reshape(len(wanted), 1)
    labels = [{**past.common, "asset": f"dag:{past.dags[dag].dag_id}"} for dag in wanted]
    none = np.empty(0, dtype=np.int32)
    return {
        "airwarden_asset_last_update_timestamp_seconds": _successes(past, wanted, "asset", "dag:"),
        "airwarden_asset_freshness_sla_seconds": Latest(
            labels, none, none, np.empty(0), ages[:, 0], lasting=True
        ),
    }


def _in_a_row(past: PastOfRuns) -> Mapping[str, Source]:
    """Failures in a row of critical DAGs, and of those others that failed more than once in a row."""
    rows = _by_end(past, _ended(past))
    order = rows[np.argsort(past.runs.dag[rows], kind="stable")]
    dag, failed = past.runs.dag[order], past.runs.state[order] == _FAILED
    count = np.arange(1, len(order) + 1)
    # Where counting begins again: after a success, and at a DAG's first run.
    begins = np.where(failed, 0, count)
    starts = np.flatnonzero(np.r_[True, dag[1:] != dag[:-1]]) if len(order) else np.empty(0, int)
    begins[starts] = np.maximum(begins[starts], starts)
    in_a_row = np.where(failed, count - np.maximum.accumulate(begins), 0)
    worst = np.zeros(len(past.dags), dtype=np.int64)
    np.maximum.at(worst, dag, in_a_row)
    critical = np.array([own.tier == CRITICAL for own in past.dags])
    wanted = np.flatnonzero((worst > 1) | (critical & (worst > 0)))
    place = np.full(len(past.dags), -1)
    place[wanted] = np.arange(len(wanted))
    kept = place[dag] >= 0
    at = past.grid.sees(past.runs.ended[order[kept]])
    value = np.where(in_a_row[kept] > 0, in_a_row[kept].astype(float), -1.0)
    by_time = np.argsort(at, kind="stable")
    labels = [
        {**past.common, "dag_id": own.dag_id, "tier": own.tier, "team": own.team}
        for own in (past.dags[index] for index in wanted.tolist())
    ]
    found = Latest(
        labels,
        place[dag[kept]][by_time].astype(np.int32),
        at[by_time].astype(np.int32),
        value[by_time],
        np.full(len(wanted), -1.0),
        nothing=-1.0,
    )
    return {"airwarden_dag_consecutive_failures": found}


#: Metric's name → what builds it, and perhaps others with it.
BUILDERS: Mapping[str, Build] = {
    "airwarden_dag_runs_finished_total": _finished,
    **{f"{_DURATION}_{kind}": partial(_duration, kind) for kind in KINDS},
    **{f"{_DELAY}_{kind}": partial(_delay, kind) for kind in KINDS},
    "airwarden_dag_runs": _open_runs,
    "airwarden_dag_run_oldest_age_seconds": _oldest,
    "airwarden_scheduler_lag_seconds": _lag,
    "airwarden_dag_runs_overdue": _overdue,
    "airwarden_dag_last_success_timestamp_seconds": _last_success,
    "airwarden_asset_last_update_timestamp_seconds": _freshness,
    "airwarden_asset_freshness_sla_seconds": _freshness,
    "airwarden_dag_consecutive_failures": _in_a_row,
}
