"""What will become of a run, decided beforehand by dice: the mover carries it out. Pure."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field
from enum import StrEnum

from bench.fleet.shape import Dag


class End(StrEnum):
    """How an attempt ends."""

    SUCCESS = "success"
    FAILED = "failed"
    KILLED = "killed"  # its worker died, or somebody cleared it while it ran
    DEFERRED = "deferred"  # it waits for a trigger, and goes on as the same attempt
    LOST = "lost"  # it failed while it was queued: it never began, and keeps the former start


@dataclass(slots=True)
class Task:
    """One task instance of a run, as it is now.

    Attributes:
        id: Of the present attempt; a retry or a clear gives a new one.
        ends: How the next attempts end, the first one first; success when it is empty.
        after: Whether it waits for the task before it.
        coming: It is about to be scheduled.
        cleared: It was, at least once.
    """

    id: uuid.UUID
    number: int
    max_tries: int
    skipped: bool = False
    after: bool = True
    ends: list[End] = field(default_factory=list)
    try_number: int = 0
    state: str | None = None
    coming: bool = False
    cleared: bool = False

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.state in ("success", "failed", "skipped", "upstream_failed")


@dataclass(slots=True)
class Run:
    """One run, as it is now.

    Attributes:
        late: Seconds for which its making is not committed.
        seconds: How long its tasks take together.
        clears: Tasks that will be cleared after its end, one entry a clear.
    """

    id: int
    dag: Dag
    run_id: str
    tasks: list[Task]
    seconds: float
    run_type: str
    late: float = 0.0
    instant: bool = False
    clears: list[list[int]] = field(default_factory=list)
    state: str = "queued"


class Planner:
    """Decides what becomes of runs; the same seed decides the same.

    Args:
        seed: Of the dice.
        trouble: Multiplies how often something goes wrong; 1 as in the fleet's history.
        pace: Divides durations.
    """

    def __init__(self, seed: int, *, trouble: float = 1.0, pace: float = 1.0) -> None:
        self._dice = random.Random(seed)
        self._trouble = trouble
        self._pace = pace

    def run(self, id_: int, dag: Dag, run_id: str) -> Run:
        """Return a new run with what will become of it."""
        dice = self._dice
        tasks = [self._task(number, dag) for number in range(1, dag.tasks + 1)]
        if not self._chance(dag.success, good=True):
            dice.choice(tasks).ends = [End.FAILED] * (dag.retries + 1)
        run = Run(
            id_, dag, run_id, tasks, dag.seconds * dice.uniform(0.4, 1.6) / self._pace,
            "manual" if dice.random() < 0.01 else dag.run_type,
        )  # fmt: skip
        if dice.random() < 0.01:
            run.late = dice.uniform(0.5, 5.0)
        run.instant = not run.late and dice.random() < 0.02
        while self._chance(0.003):
            run.clears.append(sorted(dice.sample(range(len(tasks)), dice.randint(1, len(tasks)))))
        return run

    def seconds(self, run: Run) -> float:
        """Return how long one attempt of a run's task takes."""
        return run.seconds / len(run.tasks) * self._dice.uniform(0.2, 1.8)

    def wait(self, mean: float) -> float:
        """Return a waiting time around a mean in seconds."""
        return min(self._dice.expovariate(1 / mean), 8 * mean) / self._pace

    def new_id(self) -> uuid.UUID:
        """Return a task instance's id: version 7, as Airflow makes them, by the dice."""
        bits = self._dice.getrandbits(128)
        return uuid.UUID(int=bits & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62)

    def _task(self, number: int, dag: Dag) -> Task:
        task = Task(self.new_id(), number, dag.retries)
        task.after = number > 1 and dag.number % 3 > 0  # of every third DAG all begin at once
        task.skipped = number > 1 and self._dice.random() < 0.015
        if dag.retries and self._chance(0.02):
            task.ends = [self._dice.choice((End.FAILED, End.FAILED, End.KILLED, End.LOST))]
        if self._dice.random() < 0.02:
            task.ends.insert(0, End.DEFERRED)
        return task

    def _chance(self, probability: float, *, good: bool = False) -> bool:
        """Throw the dice for something bad, or good, that trouble makes more, or less, likely."""
        bad = min(0.9, (1 - probability if good else probability) * self._trouble)
        return (self._dice.random() >= bad) if good else (self._dice.random() < bad)
