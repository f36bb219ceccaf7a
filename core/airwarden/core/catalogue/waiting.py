"""What waits, is late, was lost or does not fit together: the work that does not run, and why."""

from __future__ import annotations

from airwarden.core.catalogue.types import Metric, MetricType

_COUNTER, _GAUGE = MetricType.COUNTER, MetricType.GAUGE
_LIVE = "metadata database: unfinished task instances"
_OPEN = "metadata database: open runs"
_LOG = "metadata database: audit log, followed by id"
_DEADLINE = "metadata database: deadline"

METRICS = (
    Metric(
        "airwarden_dag_run_oldest_age_seconds",
        _GAUGE,
        ("state", "tier"),
        "How long the oldest open DAG run has been running, or queued; queued runs of paused DAGs are"
        " left out. 0 when there is none.",
        _OPEN,
    ),
    Metric(
        "airwarden_dag_runs_overdue",
        _GAUGE,
        ("tier", "team", "kind"),
        "DAG runs that are late: not_created (due for 15 s), not_started (queued for 15 s though the DAG"
        " has room), deadline (open past a deadline of the DAG). Paused DAGs do not count. Whose runs were late once stay, at 0.",
        f"{_OPEN}; dag, deadline",
    ),
    Metric(
        "airwarden_dag_runs_never_created_total",
        _COUNTER,
        ("tier", "team"),
        "Scheduled runs that were due and will never be made, because the schedule went on without them"
        " (catchup off); where several in a row are lost, their number is that of the schedule's present"
        " step.",
        "metadata database: dag, dag_run",
    ),
    Metric(
        "airwarden_dag_consecutive_failures",
        _GAUGE,
        ("dag_id", "tier", "team"),
        "Failed runs in a row of a DAG, from its last ten runs before the exporter's start on; only where"
        " there are any, for DAGs of the tier critical and the fifty worst others; the rest is summed in"
        " dag_id _overflow.",
        "metadata database: runs followed by id and by the set of open ones",
    ),
    Metric(
        "airwarden_dag_last_success_timestamp_seconds",
        _GAUGE,
        ("dag_id", "tier", "team"),
        "When a DAG of the tier critical last ended a run well, as Unix time; at most 500 DAGs.",
        "metadata database: runs followed by id and by the set of open ones",
    ),
    Metric(
        "airwarden_task_oldest_age_seconds",
        _GAUGE,
        ("state", "queue"),
        "How long the oldest task has been scheduled, queued, running, deferred or up_for_retry; of"
        " scheduled ones those of paused DAGs are left out. 0 when there is none.",
        _LIVE,
    ),
    Metric(
        "airwarden_task_heartbeat_oldest_age_seconds",
        _GAUGE,
        ("queue",),
        "Time since the last heartbeat of the running task that has been silent longest.",
        _LIVE,
    ),
    Metric(
        "airwarden_tasks_stuck",
        _GAUGE,
        ("kind",),
        "Tasks that do not move: queued (for over 600 s), scheduled (for over 600 s though nothing holds"
        " them back), running (no heartbeat for over 300 s), deferred (for over 300 s without a live"
        " triggerer), removed_worker (running on a machine where no worker answers).",
        f"{_LIVE}; Celery remote control",
    ),
    Metric(
        "airwarden_task_blocked",
        _GAUGE,
        ("reason",),
        "Unfinished tasks that do not run, by the first reason that holds: paused, pool (no slots),"
        " max_active_tasks, max_active_runs, parallelism (where it is configured), executor_slots (handed"
        " to the executor), retry_delay, upstream, unknown (nothing known holds it back: the scheduler"
        " has not come to it). Tasks that were never looked at are a sample of 5,000.",
        _LIVE,
    ),
    Metric(
        "airwarden_task_retries_total",
        _COUNTER,
        ("reason", "team"),
        "Task attempts that were lost with another one to come, by what ended them: task (it failed by"
        " itself), heartbeat (its worker fell silent), executor (it ended without being reported),"
        " stuck_in_queued (no worker took it). Of all but task, a last attempt counts too.",
        _LOG,
    ),
    Metric(
        "airwarden_operator_failures_total",
        _COUNTER,
        ("operator",),
        "Failed task attempts by operator; operators beyond the first fifty are other.",
        _LOG,
    ),
    Metric(
        "airwarden_task_heartbeat_timeouts_total",
        _COUNTER,
        ("queue",),
        "Running tasks that Airflow ended because they sent no heartbeat.",
        _LOG,
    ),
    Metric(
        "airwarden_pool_starving_tasks",
        _GAUGE,
        ("pool",),
        "Scheduled tasks that take more slots than their pool has open; Airflow's own gauge of that name"
        " reads 0 with tasks waiting. Paused DAGs do not count.",
        "metadata database: slot_pool and unfinished task instances; REST without a database",
    ),
    Metric(
        "airwarden_sla_breaches_total",
        _COUNTER,
        ("kind", "tier", "team"),
        "Promises that were broken: dag (a deadline of a DAG was missed), asset (an asset became older"
        " than its target). There is no kind task: Airflow's deadlines are those of DAGs.",
        f"{_DEADLINE}; freshness targets",
    ),
    Metric(
        "airwarden_sla_at_risk",
        _GAUGE,
        ("kind", "tier", "team"),
        "Promises that are about to be broken: dag (an open run whose deadline comes before it will end,"
        " if it takes as long as the middle one of its last twenty), asset (older than 80 % of its"
        " target, and not past it).",
        f"{_DEADLINE}, dag_run; freshness targets",
    ),
    Metric(
        "airwarden_consistency_problems",
        _GAUGE,
        ("kind",),
        "What should not be: orphaned_task (under way, its scheduler gone for 5 min), task_of_ended_run"
        " (under way, its run ended), run_without_work (running with nothing left to do for 5 min).",
        f"{_LIVE}, open runs, job",
    ),
    Metric(
        "airwarden_dag_versions_total",
        _COUNTER,
        ("kind", "team"),
        "Deployments: new DAGs (kind new) and new versions of known ones (kind changed).",
        "metadata database: dag_version, followed by id",
    ),
    Metric(
        "airwarden_dag_version_last_change_timestamp_seconds",
        _GAUGE,
        (),
        "When the newest version of any DAG was stored, as Unix time; absent until one is seen.",
        "metadata database: dag_version, followed by id",
    ),
    Metric(
        "airwarden_dag_warnings",
        _GAUGE,
        ("warning",),
        "DAGs of which Airflow warns, by kind of warning.",
        "metadata database: dag_warning",
    ),
    Metric(
        "airwarden_dag_import_errors",
        _GAUGE,
        ("bundle",),
        "DAG files that cannot be imported.",
        "metadata database: import_error",
    ),
    Metric(
        "airwarden_dag_files",
        _GAUGE,
        ("bundle",),
        "DAG files that gave DAGs when they were last parsed.",
        "metadata database: dag",
    ),
    Metric(
        "airwarden_dag_parse_total_seconds",
        _GAUGE,
        ("bundle",),
        "How long the last parse of all files took, one after the other.",
        "metadata database: dag",
    ),
    Metric(
        "airwarden_dag_file_oldest_parse_age_seconds",
        _GAUGE,
        ("bundle",),
        "Time since the last parse of the file that has waited longest; absent without a file.",
        "metadata database: dag",
    ),
    Metric(
        "airwarden_dag_bundle_last_refresh_timestamp_seconds",
        _GAUGE,
        ("bundle",),
        "When the DAG processor last fetched a bundle, as Unix time; absent if never.",
        "metadata database: dag_bundle",
    ),
    Metric(
        "airwarden_dags_behind_bundle",
        _GAUGE,
        ("bundle",),
        "DAGs whose last parse was of another version than the bundle has now.",
        "metadata database: dag, dag_bundle",
    ),
    Metric(
        "airwarden_dags_unserialized",
        _GAUGE,
        ("bundle",),
        "DAGs that are listed and were never stored: the scheduler cannot run them.",
        "metadata database: dag, dag_version",
    ),
    Metric(
        "airwarden_triggers",
        _GAUGE,
        ("hostname",),
        "Deferred work by the triggerer that has it; none is what no triggerer has taken.",
        "metadata database: trigger, job",
    ),
    Metric(
        "airwarden_triggers_waiting",
        _GAUGE,
        ("queue",),
        "Deferred work that no live triggerer has.",
        "metadata database: trigger, job",
    ),
    Metric(
        "airwarden_trigger_oldest_waiting_age_seconds",
        _GAUGE,
        ("queue",),
        "Age of the oldest such; 0 when there is none.",
        "metadata database: trigger, job",
    ),
)
