"""A fleet of Celery workers in virtual time: work arrives, waits, runs and ends; nodes come and go.

Every node has slots, starts some time after it was asked for, and takes tasks unless it is drained. A
decision of `airwarden.remediation.decide.autoscaling` is carried out every step. That a node is removed
while it works is counted, never prevented: the decision must not ask for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from airwarden.remediation.decide.autoscaling import (
    Changed,
    Decision,
    Fleet,
    Move,
    Node,
    Raised,
    Sample,
    ScalingPolicy,
    decide,
)

STEP = 15.0


@dataclass
class Told:
    """What was decided and when."""

    at: float
    decision: Decision
    utilization: float


@dataclass
class Simulated:
    """A fleet and its load.

    Attributes:
        nodes: Ready nodes at the beginning.
        load: Seconds → work that arrives, as nodes' worth of running tasks.
        slots: Of a node.
        duration: Mean seconds of a task.
        start_within: Seconds until a node that was asked for is ready, from and to.
        measured: What the sample of a step looks like to the decision; None for a lost one.
    """

    policy: ScalingPolicy
    nodes: int
    load: Callable[[float], float]
    slots: int = 16
    duration: float = 120.0
    start_within: tuple[float, float] = (60.0, 120.0)
    measured: Callable[[Sample], Sample | None] = lambda sample: sample
    seed: int = 1
    trouble: Callable[[float], str] = lambda _: ""
    now: float = 0.0
    told: list[Told] = field(default_factory=list)
    removed_busy: int = 0
    waiting: int = 0
    wanted: int = 0
    peak: int = 0

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.seed)
        self._tasks = np.zeros(self.nodes, dtype=np.int64)
        self._draining = np.zeros(self.nodes, dtype=bool)
        self._names = [f"n{number:05}" for number in range(self.nodes)]
        self._next = self.nodes
        self._coming: list[float] = []
        self._samples: list[Sample] = []
        self._changes: list[Changed] = []
        self._raised: Raised | None = None
        self.wanted = self.nodes

    @property
    def ready(self) -> int:
        """Nodes that are ready."""
        return len(self._tasks)

    @property
    def moves(self) -> Sequence[Told]:
        """What was done: all but holding."""
        return [one for one in self.told if one.decision.move is not Move.HOLD]

    def run(self, seconds: float) -> Simulated:
        """Let time pass."""
        for _ in range(round(seconds / STEP)):
            self.step()
        return self

    def step(self) -> None:
        """Let one step pass, and carry out what is decided at its end."""
        self.now += STEP
        self._arrive_nodes()
        self._work()
        busy = float(self._tasks.sum()) / self.slots
        sample = Sample(self.now, self.ready, busy, self.waiting / self.slots)
        if (seen := self.measured(sample)) is not None:
            self._samples.append(seen)
        horizon = self.now - max(self.policy.up_for, self.policy.down_for) - 120
        while self._samples and self._samples[0].at < horizon:
            self._samples.pop(0)
        self._changes = [one for one in self._changes if one.at > self.now - 3600]
        decision = decide(self.policy, self._fleet())
        self.told.append(Told(self.now, decision, sample.utilization))
        self._carry_out(decision)
        self.peak = max(self.peak, self.ready)

    def _fleet(self) -> Fleet:
        nodes = [
            Node(name, tasks, draining)
            for name, tasks, draining in zip(
                self._names, self._tasks.tolist(), self._draining.tolist(), strict=True
            )
        ]
        return Fleet(
            self.now, self.wanted, self._samples, nodes, self._changes, self._raised,
            self.trouble(self.now),
        )  # fmt: skip

    def _arrive_nodes(self) -> None:
        here = [at for at in self._coming if at <= self.now]
        self._coming = [at for at in self._coming if at > self.now]
        for _ in here:
            self._tasks = np.append(self._tasks, 0)
            self._draining = np.append(self._draining, False)
            self._names.append(f"n{self._next:05}")
            self._next += 1

    def _work(self) -> None:
        ends = 1 - np.exp(-STEP / self.duration)
        self._tasks = self._tasks - self._random.binomial(self._tasks, ends)
        # As much arrives as keeps so many nodes' slots busy.
        self.waiting += int(self._random.poisson(max(0.0, self.load(self.now)) * self.slots * ends))
        free = np.where(self._draining, 0, self.slots - self._tasks)
        order = self._random.permutation(len(free))
        taken = np.minimum(
            free[order], np.maximum(0, self.waiting - np.cumsum(free[order]) + free[order])
        )
        self._tasks[order] += taken
        self.waiting -= int(taken.sum())

    def _carry_out(self, decision: Decision) -> None:
        named = set(decision.nodes)
        chosen = [i for i, name in enumerate(self._names) if name in named] if named else []
        if decision.move is Move.DRAIN:
            self._draining[chosen] = True
        elif decision.move is Move.RETURN:
            self._draining[chosen] = False
        elif decision.move is Move.REMOVE:
            self.removed_busy += int((self._tasks[chosen] > 0).sum())
            gone = set(chosen)
            keep = [i for i in range(len(self._names)) if i not in gone]
            self._tasks, self._draining = self._tasks[keep], self._draining[keep]
            self._names = [self._names[i] for i in keep]
        elif decision.move is Move.RAISE:
            self._raised = decision.raised
        elif decision.move is Move.REVERT:
            self._raised = None
        if decision.wanted != self.wanted:
            more = decision.wanted - self.wanted
            self._changes.append(Changed(self.now, more))
            for _ in range(max(0, more)):
                self._coming.append(self.now + self._random.uniform(*self.start_within))
            self.wanted = decision.wanted


def noisy(share: float, *, seed: int = 7) -> Callable[[Sample], Sample]:
    """Return a measurement that is off by a normal share each time."""
    random = np.random.default_rng(seed)

    def measure(sample: Sample) -> Sample:
        factor = max(0.0, 1 + random.normal(0, share))
        return replace(sample, busy=min(sample.nodes, sample.busy * factor))

    return measure
