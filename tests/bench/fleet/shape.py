"""The fleet's shape: how many of everything, and what each DAG is like. Pure, and the same for one seed.

Types, daily runs, durations and success rates are those of a published profile of a platform with
15,000 DAGs (25,000 runs on an ordinary day, 45,000 on a peak day); how they spread over teams, tiers,
schedules, pools and queues is a judgement.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class PipelineType:
    """One type of pipeline: its share of the runs, mean seconds of a run, share of runs that succeed."""

    name: str
    share: float
    seconds: float
    success: float
    queue: str


TYPES: Final = (
    PipelineType("etl", 0.34, 2700, 0.998, "etl"),
    PipelineType("ml_training", 0.09, 10080, 0.985, "gpu"),
    PipelineType("analytics", 0.27, 1500, 0.996, "default"),
    PipelineType("data_quality", 0.17, 900, 0.999, "default"),
    PipelineType("reporting", 0.11, 2100, 0.994, "reporting"),
    PipelineType("ad_hoc", 0.02, 4320, 0.978, "adhoc"),
)
#: Runs a day of one DAG, and in each hundred DAGs how many run so often.
RHYTHMS: Final = ((24.0, 3), (4.0, 6), (1.0, 71), (1 / 7, 15), (1 / 30, 5))
#: Tasks of a DAG, in a cycle per rhythm so that the mean over runs is near four for every seed.
TASKS: Final = (4, 2, 5, 3, 1, 6, 3, 4, 8, 2, 3, 4, 5, 2, 10, 3, 4, 6, 1, 3)
TIERS: Final = (("critical", 0.05), ("high", 0.15), ("medium", 0.50), ("low", 0.30))
#: How old a team lets its data become, by the runs a day that renew them. Two runs in a row that fail, as happens to one of
#: 15,000 DAGs' critical ones each month, break none of these, not at a weekend either, when an hourly DAG runs ten times a
#: day and a daily one perhaps not at all. Of what runs more rarely nothing is promised.
PROMISES: Final = {24.0: "9h", 4.0: "3d", 1.0: "6d"}
DAILY_RUNS: Final = 25_000
PEAK_DAILY_RUNS: Final = 45_000
TEAMS: Final = 60
POOLS: Final = 20


@dataclass(frozen=True, slots=True)
class Dag:
    """What the filler and the mover need to know of one DAG.

    Attributes:
        number: From 1; its `dag_id` ends in it.
        per_day: Runs on an ordinary weekday.
        sla: How old its team lets its data become; empty where nothing is promised.
        tasks: Task instances of a run, mapped ones left out.
        seconds: Mean duration of a run.
        offset: Its place in the day, 0 to 1.
        gone_days: Days since it last ran, for a paused or stale one; 0 otherwise.
        outlet: Whether its last task updates an asset.
        broken_deploy: Whether its team's bad deploy hit it.
    """

    number: int
    dag_id: str
    type: str
    tier: str
    team: str
    queue: str
    pool: str
    per_day: float
    sla: str
    tasks: int
    retries: int
    seconds: float
    success: float
    offset: float
    run_type: str
    paused: bool
    stale: bool
    import_error: bool
    gone_days: float
    outlet: bool
    broken_deploy: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a fleet is.

    Attributes:
        factor: 1 is 15,000 DAGs with everything that belongs to them.
        history: Share of the finished runs, with as many DAGs and as much going on: 0.1 to see whether
            a query's cost goes with history.
        seed: Another one gives another fleet of the same shape.
    """

    factor: float = 1.0
    history: float = 1.0
    seed: int = 1

    def scaled(self, number: int) -> int:
        """Return a number of the full size scaled, at least 1."""
        return max(1, round(number * self.factor))

    @property
    def dags(self) -> int:
        """How many DAGs."""
        return self.scaled(15_000)

    @property
    def runs(self) -> int:
        """How many runs, open ones included."""
        return max(self.open_runs, round(750_000 * self.factor * self.history))

    @property
    def tasks(self) -> int:
        """How many task instances."""
        return 4 * self.runs

    @property
    def open_runs(self) -> int:
        """How many runs have not ended."""
        return self.running_runs + self.queued_runs

    @property
    def running_runs(self) -> int:
        """How many runs are running."""
        return self.scaled(3_000)

    @property
    def queued_runs(self) -> int:
        """How many runs are queued."""
        return self.scaled(400)

    @property
    def live(self) -> dict[str, int]:
        """How many task instances are in each live state."""
        full = {
            "running": 5_000, "queued": 1_500, "scheduled": 700, "deferred": 200,
            "up_for_retry": 150, "up_for_reschedule": 50,
        }  # fmt: skip
        return {state: self.scaled(number) for state, number in full.items()}

    @property
    def key(self) -> str:
        """A name for what is kept of it."""
        return f"f{self.factor:g}_h{self.history:g}_s{self.seed}".replace(".", "p")


def fleet(shape: Shape) -> list[Dag]:
    """Return the DAGs of a shape."""
    dice = random.Random(shape.seed)
    teams = [f"team_{number:02}" for number in range(1, max(2, min(TEAMS, shape.dags // 4)) + 1)]
    tasks = {rhythm: itertools.cycle(TASKS) for rhythm, _ in RHYTHMS}
    rhythms = [rhythm for rhythm, share in RHYTHMS for _ in range(share)]
    dice.shuffle(rhythms)
    types = [kind for kind in TYPES for _ in range(round(kind.share * 100))]
    found: list[Dag] = []
    for number in range(1, shape.dags + 1):
        per_day = rhythms[number % len(rhythms)]
        kind = dice.choice(types)
        team = teams[min(int(dice.paretovariate(0.6)) - 1, len(teams) - 1) if dice.random() < 0.4
                     else dice.randrange(len(teams))]  # fmt: skip
        tier = dice.choices([name for name, _ in TIERS], [share for _, share in TIERS])[0]
        paused, stale = dice.random() < 0.08, dice.random() < 0.02
        found.append(
            Dag(
                number=number,
                dag_id=f"{team}.{kind.name}_{number:05}",
                type=kind.name,
                tier=tier,
                team=team,
                queue=kind.queue,
                pool=f"pool_{dice.randrange(1, POOLS + 1):02}" if dice.random() < 0.3
                else "default_pool",
                per_day=per_day,
                sla=_promise(tier, per_day),
                tasks=next(tasks[per_day]),
                retries=dice.choices((0, 1, 2, 3), (10, 40, 40, 10))[0],
                # A run of an hourly DAG ends before the next begins.
                seconds=min(kind.seconds * dice.uniform(0.5, 1.5), 60_000 / per_day),
                success=kind.success,
                offset=dice.betavariate(1.3, 3.0),  # most at night
                run_type=_run_type(kind, dice),
                paused=paused,
                stale=stale,
                import_error=not stale and dice.random() < 0.001,
                gone_days=dice.uniform(0.2, 25.0) if paused or stale else 0.0,
                outlet=dice.random() < 0.1,
                broken_deploy=team == teams[1] and dice.random() < 0.7,
            )
        )  # fmt: skip
    return found


def _promise(tier: str, per_day: float) -> str:
    """Of what is critical, and of what is important and renewed several times a day."""
    promised = tier == "critical" or (tier == "high" and per_day > 1)
    return PROMISES.get(per_day, "") if promised else ""


def _run_type(kind: PipelineType, dice: random.Random) -> str:
    if kind.name == "ad_hoc" and dice.random() < 0.6:
        return "manual"
    return "asset_triggered" if dice.random() < 0.08 else "scheduled"
