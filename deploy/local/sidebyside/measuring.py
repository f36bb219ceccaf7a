"""What a fault cost, counted in Airflow's database and in the ledger that the steady load leaves."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from stories.scene import Scene

DAGS = ("steady_extract", "steady_load", "steady_wait", "steady_billing")
#: Seconds between two runs of each DAG of the load.
EVERY = 30.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What was lost.

    Attributes:
        ticks_lost: Runs of the steady load that were due and never made.
        tasks_lost: Its task instances that failed for good, or have not ended.
        retries_burned: Tries beyond the first, and those of what failed.
        run_twice: Its tasks whose work was done to the end more than once.
        starts_worst: The least number of starts in one period of the load, in per cent of before the fault.
    """

    ticks_lost: int
    tasks_lost: int
    retries_burned: int
    run_twice: int
    starts_worst: int


def cost(scene: Scene, ledger: Path, began: datetime, ended: datetime) -> Cost:
    """Count what the runs that were due between the two moments came to."""
    made = _runs(scene, began, ended)
    due = int((ended - began).total_seconds() / EVERY) * len(DAGS)
    tasks = scene.rows(
        "SELECT t.state, t.try_number FROM task_instance t JOIN dag_run r"
        " ON r.dag_id = t.dag_id AND r.run_id = t.run_id"
        " WHERE r.dag_id = ANY(%(dags)s) AND r.run_after >= %(began)s AND r.run_after < %(ended)s",
        dags=list(DAGS),
        began=began,
        ended=ended,
    )
    lost = sum(task["state"] not in ("success", "skipped") for task in tasks)
    burned = sum(
        max(0, task["try_number"] - (1 if task["state"] == "success" else 0)) for task in tasks
    )
    return Cost(
        ticks_lost=max(0, due - made),
        tasks_lost=lost,
        retries_burned=burned,
        run_twice=twice(ledger, began),
        starts_worst=worst(scene, began, ended),
    )


def _runs(scene: Scene, began: datetime, ended: datetime) -> int:
    rows = scene.rows(
        "SELECT count(*) AS made FROM dag_run WHERE dag_id = ANY(%(dags)s)"
        " AND run_after >= %(began)s AND run_after < %(ended)s",
        dags=list(DAGS),
        began=began,
        ended=ended,
    )
    return int(rows[0]["made"])


def twice(ledger: Path, began: datetime) -> int:
    """Return how many tasks have done their work to the end more than once since then."""
    done: Counter[tuple[str, str, str, int]] = Counter()
    for line in ledger.read_text().splitlines() if ledger.exists() else ():
        entry = json.loads(line)
        if entry["what"] == "ended" and began.timestamp() <= entry["at"]:
            done[entry["dag"], entry["run"], entry["task"], entry["map"]] += 1
    return sum(count > 1 for count in done.values())


def worst(scene: Scene, began: datetime, ended: datetime) -> int:
    """Return the least starts in any one period of the load, in per cent of three of them before."""
    period = timedelta(seconds=EVERY)
    before = started(scene, began - 3 * period, began) / 3
    if not before:
        return 0
    steps = int((ended - began) / period)
    counts = [
        started(scene, began + number * period, began + (number + 1) * period)
        for number in range(steps)
    ]
    return round(100 * min(counts, default=0) / before)


def steady(scene: Scene) -> bool:
    """Return whether each DAG of the load has started a task lately, and none of it waits for long."""
    rows = scene.rows(
        "SELECT count(DISTINCT dag_id) FILTER (WHERE start_date > now() - %(lately)s * interval '1 second')"
        " AS moving, count(*) FILTER (WHERE state IN ('scheduled', 'queued')"
        " AND scheduled_dttm < now() - %(lately)s * interval '1 second') AS waiting"
        " FROM task_instance WHERE dag_id = ANY(%(dags)s)",
        lately=1.5 * EVERY,
        dags=list(DAGS),
    )
    return int(rows[0]["moving"]) == len(DAGS) and int(rows[0]["waiting"]) == 0


def pending(scene: Scene, began: datetime, ended: datetime) -> int:
    """Return how many tasks of the runs that were due between the two moments have not ended."""
    rows = scene.rows(
        "SELECT count(*) AS n FROM task_instance t JOIN dag_run r"
        " ON r.dag_id = t.dag_id AND r.run_id = t.run_id"
        " WHERE r.dag_id = ANY(%(dags)s) AND r.run_after >= %(began)s AND r.run_after < %(ended)s"
        " AND (t.state IS NULL OR t.state NOT IN ('success', 'failed', 'skipped', 'upstream_failed', 'removed'))",
        dags=list(DAGS),
        began=began,
        ended=ended,
    )
    return int(rows[0]["n"])


def started(scene: Scene, since: datetime, until: datetime) -> int:
    """Return how many tasks have begun between two moments."""
    rows = scene.rows(
        "SELECT count(*) AS n FROM task_instance WHERE start_date >= %(since)s AND start_date < %(until)s",
        since=since,
        until=until,
    )
    return int(rows[0]["n"])


def flowing(scene: Scene, before: float, *, seconds: float = 1.5 * EVERY, dag: str = "") -> bool:
    """Return whether tasks start at four fifths of the rate of before (a second), lately."""
    rows = scene.rows(
        "SELECT count(*) AS n FROM task_instance WHERE start_date > now() - %(span)s * interval '1 second'"
        " AND (%(dag)s = '' OR dag_id = %(dag)s)",
        span=seconds,
        dag=dag,
    )
    return int(rows[0]["n"]) >= 0.8 * before * seconds and int(rows[0]["n"]) > 0
