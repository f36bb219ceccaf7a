"""Why the fast burn waits for twelve minutes: what one team breaks is told by that team's alert, once.

A team with most of the platform's DAGs breaks all of them within two minutes. The burn is beyond 14.4 times the
budget at once, and the alert that explains it, and mutes it, takes its ten minutes.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from airwarden.core.history import RUN_STATES, RUN_TYPES, PastRuns
from airwarden.rules.backtest.grid import Grid
from airwarden.rules.backtest.past_metrics import DagKind, PastOfRuns
from airwarden.rules.backtest.replay import RuleSet, replay
from airwarden.rules.backtest.report import pages_of
from airwarden.rules.config import AlertOverride, ObjectiveOverride, RuleConfig
from airwarden.rules.objectives import CATALOGUE

HOUR, STEP = 3600.0, 30.0
START = 1_767_225_600.0
GRID = Grid(START, STEP, round(12 * HOUR / STEP), round(2 * HOUR / STEP))
DAGS, BROKEN, FAULT = 900, 540, 8 * HOUR
BURN, TEAM = "AirflowErrorBudgetBurnFast", "AirflowTeamDagFailureRateHigh"


@pytest.fixture(scope="module")
def past() -> PastOfRuns:
    """Every DAG once an hour; those of the large team that are due in the ninth hour fail together."""
    kinds = [
        DagKind(f"d{n}", "etl", "medium", "growth" if n < BROKEN else f"t{n % 8}")
        for n in range(DAGS)
    ]
    dag = np.tile(np.arange(DAGS, dtype=np.int32), 14)
    due = START + np.repeat(np.arange(14) - 2.0, DAGS) * HOUR + dag / DAGS * HOUR
    ended = due + 600.0
    broken = (dag < BROKEN) & (ended >= START + FAULT) & (ended < START + FAULT + HOUR)
    ended[broken] = START + FAULT + np.linspace(0, 120, broken.sum())
    state = np.full(len(dag), RUN_STATES.index("success"), dtype=np.int32)
    state[broken] = RUN_STATES.index("failed")
    scheduled = np.full(len(dag), RUN_TYPES.index("scheduled"), dtype=np.int32)
    started = np.minimum(due + 2.0, ended)
    runs = PastRuns(dag, state, scheduled, due, due, due, started, ended)
    return PastOfRuns(GRID, runs, [*kinds, DagKind("", "unset", "unset", "unset")], "default")


def told(past: PastOfRuns, hold: timedelta | None) -> list[tuple[str, str, float]]:
    """Return what people hear of the burn and of the team, by its kind, and after how many minutes."""
    rules = RuleSet.of(
        RuleConfig(
            # Of the others these runs say nothing.
            objectives={
                name: ObjectiveOverride(enabled=name == "dag-success") for name in CATALOGUE
            },
            overrides={BURN: AlertOverride(hold=hold)} if hold else {},
        )
    )
    (found,) = replay([rules], past, GRID)
    assert not {BURN, TEAM} & set(found.not_judged)
    return [
        (page.alert, page.kind, (page.began - START - FAULT) / 60)
        for page in pages_of(found, past, GRID, None)
        if page.alert in (BURN, TEAM)
    ]


def test_one_teams_fault_is_its_teams_message_and_nobodys_page(past: PastOfRuns) -> None:
    ((alert, kind, minutes),) = told(past, None)
    assert (alert, kind) == (TEAM, "message")
    assert 10 < minutes < 12


def test_with_the_usual_two_minutes_it_would_be_a_page_as_well(past: PastOfRuns) -> None:
    first, second = told(past, timedelta(minutes=2))
    assert first[:2] == (BURN, "page")
    assert first[2] < 8
    assert second[:2] == (TEAM, "message")
