"""The backtest put together, over a history in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from airwarden.cli.backtesting import Backtest, Request, dag_kinds
from airwarden.core.history import RUN_STATES, PastDag, PastRuns, PastTasks, Progress
from airwarden.core.settings import Settings
from airwarden.rules.backtest.grid import Grid
from airwarden.rules.backtest.past_metrics import PastOfRuns
from airwarden.rules.backtest.replay import RuleSet, replay
from airwarden.rules.config import RuleConfig

STEP = 30.0
START = 1_767_225_600.0
HOUR = 3600.0
ALERT = "AirflowDagFailureRateHigh"


def ten_runs_a_second() -> PastRuns:
    """Two hours of one DAG's runs; in the second hour every 17th fails, the first failures that there ever were."""
    ended = START + np.arange(0, 2 * HOUR, 0.1)
    number = len(ended)
    failed = (ended >= START + HOUR) & (np.arange(number) % 17 == 0)
    none = np.zeros(number, dtype=np.int32)
    return PastRuns(
        dag=none,
        state=np.where(failed, RUN_STATES.index("failed"), RUN_STATES.index("success")).astype(
            np.int32
        ),
        run_type=none,
        due=ended - 3,
        created=ended - 3,
        queued=ended - 2,
        started=ended - 1,
        ended=ended,
    )


@dataclass(frozen=True)
class InMemory:
    """The port, over arrays."""

    found: PastRuns

    def dags(self) -> Sequence[PastDag]:
        return [PastDag("one", ("team:a", "tier:high"))]

    def runs(self, since: float, until: float, progress: Progress) -> PastRuns:
        return self.found

    def tasks(self, since: float, until: float, progress: Progress) -> Iterator[PastTasks]:
        yield from ()


def test_the_command_judges_a_counter_near_its_first_event_as_the_replay_does() -> None:
    """Whose fidelity is proved beside promtool: failures count in full from the first one on."""
    runs = ten_runs_a_second()
    count = round(2 * HOUR / STEP)
    request = Request("default", START + 2 * HOUR, 2 / 24, STEP, grid=False, tasks=False)
    report = Backtest(Settings(), request, InMemory(runs)).run()
    grid = Grid(START, STEP, count, round(24 * HOUR / STEP))
    kinds = dag_kinds(InMemory(runs).dags(), Settings(), "default")
    rules = RuleSet.of(RuleConfig(clusters=("default",)))
    (replayed,) = replay([rules], PastOfRuns(grid, runs, kinds, "default"), grid)
    began = [
        START + one.began
        for one in replayed.episodes
        if any(sent.labels["alertname"] == ALERT for sent in one.alerts.values())
    ]
    assert began
    assert [page.began for page in report.pages if page.alert == ALERT] == began
