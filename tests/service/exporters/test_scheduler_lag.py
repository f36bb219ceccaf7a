"""By how much scheduling lags, on Airflow's real schema: what counts as late, and what waits as it should."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airwarden.adapters.metadata_database import PostgresMetadata
from airwarden.exporters.collectors.scheduler_lag import SchedulerLagCollector
from support.airflow_rows import AirflowRows, ago
from support.families import live_now


def lag(database: PostgresMetadata) -> float:
    (family,) = SchedulerLagCollector(database, live_now(database)).collect()
    value = family.samples[0][1]
    assert isinstance(value, float)
    return value


def scheduled(rows: AirflowRows, dag: str, seconds: float, **values: object) -> object:
    """A task that was scheduled that long ago and never queued."""
    run = rows.run(dag)
    return rows.task(run, "t", "scheduled", scheduled_dttm=ago(seconds), queued_dttm=None, **values)


LATE: dict[str, Callable[[AirflowRows], object]] = {
    "a run that is due and not created": lambda r: r.dag("d", next_dagrun_create_after=ago(400)),
    "a queued run": lambda r: r.run(r.dag("d"), "queued", queued_at=ago(400), run_after=ago(900)),
    "a scheduled task": lambda r: scheduled(r, r.dag("d"), 400),
    "a scheduled task beside an older one of a run that is at its DAG's limit": lambda r: (
        run := r.run(r.dag("narrow", max_active_tasks=1)),
        r.task(run, "long", "running", queued_dttm=ago(3600)),
        r.task(run, "t", "scheduled", scheduled_dttm=ago(900), queued_dttm=None),
        scheduled(r, r.dag("d"), 400),
    ),
    "a scheduled task beside an older one of a paused DAG": lambda r: (
        scheduled(r, r.dag("off", is_paused=True), 900),
        scheduled(r, r.dag("d"), 400),
    ),
}
NOT_LATE: dict[str, Callable[[AirflowRows], object]] = {
    "nothing": lambda r: r.dag("d", next_dagrun_create_after=ago(-60)),
    "a paused DAG": lambda r: r.dag("d", next_dagrun_create_after=ago(400), is_paused=True),
    "a stale DAG": lambda r: r.dag("d", next_dagrun_create_after=ago(400), is_stale=True),
    "a DAG at its limit": lambda r: r.dag(
        "d", next_dagrun_create_after=ago(400), exceeds_max_non_backfill=True
    ),
    "a scheduled task of a run that is at its DAG's limit": lambda r: (
        run := r.run(r.dag("d", max_active_tasks=1)),
        r.task(run, "long", "running", queued_dttm=ago(3600)),
        r.task(run, "t", "scheduled", scheduled_dttm=ago(400), queued_dttm=None),
    ),
    "a scheduled task that takes more slots than its pool has left": lambda r: (
        r.insert("slot_pool", pool="small", slots=2, include_deferred=False),
        scheduled(r, r.dag("d"), 400, pool="small", pool_slots=3),
    ),
    "a queued run of a paused DAG": lambda r: r.run(
        r.dag("d", is_paused=True), "queued", queued_at=ago(400), run_after=ago(400)
    ),
    "a scheduled task of a paused DAG": lambda r: scheduled(r, r.dag("d", is_paused=True), 400),
    "a scheduled task of a pool that a paused DAG has filled": lambda r: (
        r.insert("slot_pool", pool="small", slots=1, include_deferred=False),
        off := r.run(r.dag("off", is_paused=True)),
        r.task(off, "a", "running", pool="small", queued_dttm=ago(500)),
        scheduled(r, r.dag("d"), 400, pool="small"),
    ),
    "a queued run behind its DAG's limit": lambda r: (
        r.run(r.dag("d", max_active_runs=1), "running"),
        r.run("d", "queued", queued_at=ago(400), run_after=ago(400)),
    ),
    "a queued backfill": lambda r: r.run(
        r.dag("d"), "queued", queued_at=ago(400), run_after=ago(400), run_type="backfill"
    ),
    "a scheduled task of a full pool": lambda r: (
        r.insert("slot_pool", pool="small", slots=1, include_deferred=False),
        run := r.run(r.dag("d")),
        r.task(run, "a", "running", pool="small", queued_dttm=ago(500)),
        r.task(run, "b", "scheduled", pool="small", scheduled_dttm=ago(400), queued_dttm=None),
    ),
    "a backlog that is being worked off": lambda r: (
        run := r.run(r.dag("d")),
        r.task(run, "a", "queued", queued_dttm=ago(0)),
        r.task(run, "b", "scheduled", scheduled_dttm=ago(400), queued_dttm=None),
    ),
}


@pytest.mark.parametrize("case", LATE)
def test_scheduling_is_late(case: str, rows: AirflowRows, database: PostgresMetadata) -> None:
    LATE[case](rows)
    assert lag(database) == pytest.approx(400, abs=10)


@pytest.mark.parametrize("case", NOT_LATE)
def test_scheduling_is_not_late(case: str, rows: AirflowRows, database: PostgresMetadata) -> None:
    NOT_LATE[case](rows)
    assert lag(database) < 10
