"""A promise that a DAG's own rhythm, or one failed run, breaks is named, with the one that would hold."""

from __future__ import annotations

import numpy as np
import pytest

from airwarden.core.history import RUN_STATES, RUN_TYPES, PastRuns
from airwarden.rules.backtest.grid import Grid
from airwarden.rules.backtest.past_metrics import DagKind, PastOfRuns
from airwarden.rules.backtest.promises import Tight, tight_promises

HOUR = 3600.0


def past(sla: float, every: float, *, runs: int = 60, lasting: float = 0.25 * HOUR, paused: bool = False) -> PastOfRuns:  # fmt: skip
    """One DAG with a promise that runs evenly, and one without; every fifth run fails."""
    dag = np.tile(np.array([0, 1], dtype=np.int32), runs)
    due = np.repeat(np.arange(runs) * every, 2)
    state = np.where(np.repeat(np.arange(runs) % 5 == 0, 2), RUN_STATES.index("failed"), RUN_STATES.index("success"))  # fmt: skip
    kinds = [DagKind("d", "etl", "critical", "t", paused=paused, sla=sla), DagKind("o", "etl", "low", "t")]  # fmt: skip
    scheduled = np.full(len(dag), RUN_TYPES.index("scheduled"), dtype=np.int32)
    history = PastRuns(dag, state.astype(np.int32), scheduled, due, due, due, due, due + lasting)
    grid = Grid(0.0, 30.0, round(runs * every / 30), 0)
    return PastOfRuns(grid, history, [*kinds, DagKind("", "unset", "unset", "unset")], "default")


def test_one_that_holds_through_a_failed_run_is_not_named() -> None:
    assert tight_promises(past(2 * HOUR, HOUR)) == []


def test_one_that_a_failed_run_breaks_is_named_with_what_would_hold() -> None:
    (found,) = tight_promises(past(1.5 * HOUR, HOUR))
    assert found == Tight("d", "critical", "t", 1.5 * HOUR, HOUR, 2 * HOUR, 2 * HOUR)


def test_one_that_breaks_though_nothing_fails_says_so() -> None:
    (found,) = tight_promises(past(1.5 * HOUR, 1.6 * HOUR))
    assert found.promised < found.well
    assert found.proposed == pytest.approx(3.25 * HOUR)


@pytest.mark.parametrize("other", [past(HOUR, HOUR, runs=20), past(HOUR, HOUR, paused=True)])
def test_few_runs_and_paused_dags_say_nothing(other: PastOfRuns) -> None:
    assert tight_promises(other) == []
