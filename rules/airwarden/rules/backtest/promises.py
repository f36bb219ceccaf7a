"""Promises of age inside the normal band: those that a DAG's own rhythm breaks, or one run that fails.

Data are as old as the time since the last run that came through ended. If every run comes through, they are renewed
after the distance of two ends; if one fails, after that of three. A promise below that is broken by an everyday
failure: its alert is right each time, and says nothing that anybody can act on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from airwarden.core.history import RUN_STATES, RUN_TYPES
from airwarden.rules.backtest.past_metrics import PastOfRuns
from airwarden.rules.backtest.vectors import Floats

#: Ages of a DAG without which nothing is said of it.
_ENOUGH = 20
#: The share of ages that a promise has to hold.
_HOLDS = 0.99
#: What is proposed is a multiple of these seconds.
_ROUND = 900.0
_ENDED = tuple(RUN_STATES.index(state) for state in ("success", "failed"))
_BACKFILL = RUN_TYPES.index("backfill")


@dataclass(frozen=True, slots=True)
class Tight:
    """A promise that one failed run breaks.

    Attributes:
        promised: Seconds that the data may be old.
        well: Seconds below which 99 of 100 ages stay if no run fails.
        one_failed: The same where one run fails.
        proposed: The least promise in quarters of an hour that one failed run does not break.
    """

    dag_id: str
    tier: str
    team: str
    promised: float
    well: float
    one_failed: float
    proposed: float


def tight_promises(past: PastOfRuns) -> list[Tight]:
    """Return the promises that one failed run breaks, those first that break without any."""
    found = [tight for tight in _judged(past) if tight.promised < tight.one_failed]
    return sorted(found, key=lambda tight: (tight.promised - tight.well, tight.dag_id))


def _judged(past: PastOfRuns) -> Iterator[Tight]:
    promised = np.array([0.0 if dag.paused else dag.sla for dag in past.dags])
    runs = past.runs
    rows = np.flatnonzero(
        (promised[runs.dag] > 0)
        & ~np.isnan(runs.ended)
        & np.isin(runs.state, _ENDED)
        & (runs.run_type != _BACKFILL)
    )
    rows = rows[np.lexsort((runs.ended[rows], runs.dag[rows]))]
    starts = np.flatnonzero(np.diff(runs.dag[rows], prepend=-1))
    for mine in np.split(rows, starts[1:]) if len(rows) else []:
        if len(mine) < _ENOUGH + 2:
            continue
        ended, dag = runs.ended[mine], past.dags[int(runs.dag[mine[0]])]
        one_failed = _held(ended[2:] - ended[:-2])
        yield Tight(
            dag.dag_id,
            dag.tier,
            dag.team,
            promised=dag.sla,
            well=_held(ended[1:] - ended[:-1]),
            one_failed=one_failed,
            proposed=float(np.ceil(one_failed / _ROUND) * _ROUND),
        )


def _held(ages: Floats) -> float:
    return float(np.quantile(ages, _HOLDS))
