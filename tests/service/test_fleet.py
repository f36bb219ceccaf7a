"""The fleet filler itself: the shape that it promises, and a life that fits Airflow's schema."""

from __future__ import annotations

from collections import Counter

import pytest

from bench.fleet.mover import Mover, Pace
from bench.fleet.shape import TYPES, Shape, fleet
from bench.fleet.truth import Truth
from support.fleet import SMALL
from support.postgres import Database

_FAST = Pace(per_day=30 * 86_400, speed=2000, trouble=8, clear_after=0.3)


def test_a_fleet_holds_what_its_shape_says(fleet_template: Database) -> None:
    def count(what: str) -> int:
        return int(fleet_template.execute(f"SELECT count(*) FROM {what}")[0][0])

    assert count("dag") == SMALL.dags == 150
    assert count("dag_run") == SMALL.runs == 7_500
    assert count("task_instance") == SMALL.tasks == 30_000
    states = dict(fleet_template.execute("SELECT state, count(*) FROM task_instance GROUP BY 1"))
    assert {state: states[state] for state in SMALL.live} == SMALL.live
    runs = dict(fleet_template.execute("SELECT state, count(*) FROM dag_run GROUP BY 1"))
    assert (runs["running"], runs["queued"]) == (SMALL.running_runs, SMALL.queued_runs)
    assert count("dag_run WHERE state = 'failed'") > 10
    assert count("task_instance WHERE (state = 'failed') AND try_number <> max_tries + 1") == 0
    tries = count("task_instance_history")
    assert tries == int(
        fleet_template.execute(
            "SELECT sum(try_number - 1) FROM task_instance WHERE try_number > 1 AND end_date IS NOT NULL"
        )[0][0]
    )


def test_weekends_are_quieter_than_weekdays(fleet_template: Database) -> None:
    days = dict(
        fleet_template.execute(
            """SELECT extract(isodow FROM run_after)::int, count(*)
               FROM dag_run WHERE run_after > (SELECT max(run_after) FROM dag_run) - interval '28 days'
               GROUP BY 1"""
        )
    )
    assert days[6] < 0.8 * days[2]
    assert days[7] < 0.8 * days[2]


def test_runs_start_as_soon_as_the_profile_says(fleet_template: Database) -> None:
    ((p95, slowest),) = fleet_template.execute(
        """SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY delay), max(delay) FROM (
             SELECT extract(epoch FROM start_date - run_after)::float8 AS delay FROM dag_run
             WHERE start_date IS NOT NULL
           ) AS run"""
    )
    assert 2.0 < p95 < 3.0 < slowest


def test_two_failed_runs_in_a_row_break_no_promise(fleet_template: Database) -> None:
    promised = fleet_template.execute(
        """SELECT dag_id, substr(t.name, 5)::interval, max(age) FROM dag_tag AS t JOIN (
             SELECT dag_id, lead(end_date, 3) OVER (PARTITION BY dag_id ORDER BY end_date) - end_date AS age
             FROM dag_run
           ) AS run USING (dag_id)
           WHERE t.name LIKE 'sla:%' GROUP BY 1, 2"""
    )
    assert len(promised) > 3
    assert [(dag, sla, age) for dag, sla, age in promised if age > sla] == []


def test_the_same_seed_gives_the_same_fleet_and_another_one_another() -> None:
    assert fleet(Shape(0.01, seed=1)) == fleet(Shape(0.01, seed=1))
    assert fleet(Shape(0.01, seed=1)) != fleet(Shape(0.01, seed=2))
    kinds = Counter(dag.type for dag in fleet(Shape()))
    for kind in TYPES:
        assert abs(kinds[kind.name] / 15_000 - kind.share) < 0.02


@pytest.mark.reliability
def test_a_fleet_lives_with_retries_late_commits_and_clears(small_fleet: Database) -> None:
    truth = Truth(small_fleet)
    mover = Mover(small_fleet.dsn, fleet(SMALL), _FAST)
    mover.live(120, within=60)
    # The clears of runs that ended last come while later ones live.
    mover.live(240, within=60)
    mover.close()
    ends = sum(truth.runs().values())
    assert ends >= 240
    outcomes: Counter[str] = Counter()
    for (state, _, _), number in truth.attempts().items():
        outcomes[state] += number
    assert outcomes["success"] > 300
    assert outcomes["up_for_retry"] > 10
    assert outcomes["failed"] > 0
    cleared = small_fleet.execute("SELECT count(*) FROM dag_run WHERE clear_number > 0")[0][0]
    assert cleared > 0
    assert ends == 240 + sum(
        row[0] for row in small_fleet.execute("SELECT sum(clear_number) FROM dag_run")
    )
