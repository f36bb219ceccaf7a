"""DAG runs, task instances, pools, DAGs and assets: what the platform works on."""

from __future__ import annotations

from airwarden.core.catalogue.types import Metric, MetricType

_COUNTER, _GAUGE, _HISTOGRAM = MetricType.COUNTER, MetricType.GAUGE, MetricType.HISTOGRAM
#: Seconds that something waited: a healthy platform starts work within a few.
WAIT_BUCKETS = (0.5, 1.0, 3.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
#: Seconds that work took: from a sensor's poke to a night's training.
WORK_BUCKETS = (
    1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0, 43200.0,
)  # fmt: skip
#: Attempts of one task.
ATTEMPT_BUCKETS = (1.0, 2.0, 3.0, 5.0, 8.0)
_DELTA = "metadata database: runs followed by id and by the set of open ones"
_LIVE = "metadata database: unfinished task instances"

METRICS = (
    Metric(
        "airwarden_scheduler_lag_seconds",
        _GAUGE,
        (),
        "How far scheduling is behind: the oldest of a run that is due and not created, a queued run"
        " that may start, and a scheduled task whose pool and run have room while nothing is being queued;"
        " paused DAGs do not count.",
        "metadata database: dag, dag_run, task_instance",
    ),
    Metric(
        "airwarden_dag_runs",
        _GAUGE,
        ("state", "tier", "team"),
        "DAG runs that are queued or running now.",
        "metadata database: partial indexes on state",
    ),
    Metric(
        "airwarden_dag_runs_finished_total",
        _COUNTER,
        ("state", "run_type", "type", "tier", "team"),
        "DAG runs that ended, each completion once; 0 from the start for scheduled runs of every kind the fleet has, for others once one is open.",
        _DELTA,
    ),
    Metric(
        "airwarden_dag_run_duration_seconds",
        _HISTOGRAM,
        ("state", "type", "tier"),
        "Time from a DAG run's start to its end.",
        _DELTA,
        WORK_BUCKETS,
    ),
    Metric(
        "airwarden_dag_run_schedule_delay_seconds",
        _HISTOGRAM,
        ("tier", "team"),
        "Time from when a scheduled DAG run was due to its start.",
        _DELTA,
        WAIT_BUCKETS,
    ),
    Metric(
        "airwarden_task_instances",
        _GAUGE,
        ("state", "queue", "pool"),
        "Unfinished task instances; scheduled_paused are scheduled ones of paused DAGs, which wait for"
        " nobody. A queue and pool once seen stays, at 0, for an hour.",
        _LIVE,
    ),
    Metric(
        "airwarden_task_instances_started_total",
        _COUNTER,
        ("queue",),
        "Task attempts that began to run, each once.",
        _DELTA,
    ),
    Metric(
        "airwarden_task_instances_finished_total",
        _COUNTER,
        ("state", "queue", "tier", "team"),
        "Task attempts that ended, each once; state up_for_retry is a failed attempt with another one"
        " to come, failed the last one.",
        _DELTA,
    ),
    Metric(
        "airwarden_task_duration_seconds",
        _HISTOGRAM,
        ("queue", "tier"),
        "Time from start to end of task attempts that ran; skipped and upstream_failed ones are left"
        " out.",
        _DELTA,
        WORK_BUCKETS,
    ),
    Metric(
        "airwarden_task_queue_wait_seconds",
        _HISTOGRAM,
        ("queue",),
        "Time from a task attempt's queueing to its start.",
        _DELTA,
        WAIT_BUCKETS,
    ),
    Metric(
        "airwarden_task_schedule_wait_seconds",
        _HISTOGRAM,
        ("pool",),
        "Time for which a task attempt that began was scheduled before it was queued: for a slot of its"
        " pool, for its DAG's limits, for the scheduler.",
        _DELTA,
        WAIT_BUCKETS,
    ),
    Metric(
        "airwarden_task_attempts",
        _HISTOGRAM,
        ("tier",),
        "Attempts that a task took to its success or its last failure, those before it was cleared"
        " among them.",
        _DELTA,
        ATTEMPT_BUCKETS,
    ),
    Metric(
        "airwarden_pool_slots",
        _GAUGE,
        ("pool", "state"),
        "Slots of a pool by state (total, open, running, queued, scheduled, deferred), counted as the"
        " scheduler does; an unlimited pool has no total and no open.",
        "metadata database: slot_pool and unfinished task instances; REST without a database",
    ),
    Metric(
        "airwarden_dags",
        _GAUGE,
        ("status",),
        "DAGs by status: active, paused, stale (gone from its file), import_error.",
        "metadata database: dag",
    ),
    Metric(
        "airwarden_dags_unowned",
        _GAUGE,
        (),
        "DAGs, active or paused, that belong to no team: neither a tag nor a rule names one. What fires"
        " for them goes to the default receivers.",
        "metadata database: dag, dag_tag",
    ),
    Metric(
        "airwarden_asset_last_update_timestamp_seconds",
        _GAUGE,
        ("asset", "tier", "team"),
        "When an asset with a freshness target was last updated, as Unix time, moved on by the time"
        " that its target's calendar does not count; absent while every DAG that makes it is paused.",
        "metadata database: asset_event; dag_run for a target on a DAG (asset dag:ID)",
    ),
    Metric(
        "airwarden_asset_freshness_sla_seconds",
        _GAUGE,
        ("asset",),
        "The age that an asset may have.",
        "slas of airwarden.yaml, tag sla:DURATION of a DAG",
    ),
)
