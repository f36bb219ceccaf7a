"""Is work scheduled when it is due, and if not, which scheduler, DAG file or trigger is it?"""

from __future__ import annotations

from typing import Any

from airwarden.dashboards.absent import Source, none_now
from airwarden.dashboards.config import DashboardConfig, Limits
from airwarden.dashboards.layout import Section, dashboard, numbers, row
from airwarden.dashboards.names import SCHEDULER, TASKS
from airwarden.dashboards.panels import (
    RED,
    UP_DOWN,
    YELLOW,
    any_is,
    at_least,
    at_most,
    stat,
    timeline,
    timeseries,
)
from airwarden.dashboards.queries import (
    DELAYS,
    Query,
    increase,
    mean,
    now,
    quantile,
    rate,
    recorded_quantile,
    series,
    top,
)

_DELAY = "airwarden_dag_run_schedule_delay_seconds"
_LAG = "airwarden_scheduler_lag_seconds"


def scheduler(config: DashboardConfig) -> dict[str, Any]:
    """Return the dashboard of scheduling."""
    limits = config.limits
    return dashboard(
        SCHEDULER,
        (_now(limits), _behind(limits), _schedulers(limits), _files(limits), _others(limits)),
    )


def _now(limits: Limits) -> Section:
    up = series("airwarden_component_up", component="scheduler")
    overdue = series("airwarden_dag_runs_overdue", "tier", "team")
    never = series("airwarden_dag_runs_never_created_total", "tier", "team")
    return Section(
        "Now",
        numbers(
            stat(
                "Scheduler lag now",
                "Age of the oldest work that is due and not scheduled. Red beyond the alert's limit.",
                "s",
                [Query(f"max({series(_LAG)})")],
                steps=at_most(limits.scheduler_lag_seconds),
            ),
            stat(
                "Schedulers up",
                "Schedulers that report, and all that are known.",
                "none",
                [Query(f"sum({up})", "up"), Query(f"count({up})", "known")],
                steps=at_least(1),
            ),
            stat(
                "Schedule delay",
                "p95 of the time from when a scheduled run was due to its start, in the window.",
                "s",
                [Query(recorded_quantile(0.95, series(DELAYS, "tier", "team")), "p95")],
                steps=at_most(limits.schedule_delay_seconds),
                decimals=1,
            ),
            stat(
                "Runs late now",
                "Runs that are due and not made, made and not started, or past a deadline.",
                "none",
                [Query(f"sum({overdue})")],
                steps=any_is(YELLOW),
            ),
            stat(
                "Runs lost",
                "Scheduled runs of the window that were due and will never be made, because the "
                "schedule went on without them.",
                "none",
                [Query(increase(never))],
                steps=any_is(RED),
                decimals=0,
            ),
            stat(
                "Tasks started",
                "Tasks that began to run, per second. Zero with work waiting is a stall.",
                "ops",
                [Query(rate(series("airwarden_task_instances_started_total", "queue")))],
                more=TASKS,
            ),
        ),
    )


def _behind(limits: Limits) -> Section:
    overdue = series("airwarden_dag_runs_overdue", "tier", "team")
    never = series("airwarden_dag_runs_never_created_total", "tier", "team")
    oldest = series("airwarden_dag_run_oldest_age_seconds", "tier", state="queued")
    tasks = "airwarden_task_instances"
    share = (
        f"sum by (cluster) ({series(tasks, state='scheduled')}) "
        f"/ (sum by (cluster) ({series(tasks, state='~scheduled|queued|running')}) > 0)"
    )
    return Section(
        "How far behind",
        (
            *row(
                timeseries(
                    "Scheduler lag",
                    "Age of the oldest work that is due and not scheduled: a run not created, a "
                    "run not started, or a task not queued.",
                    "s",
                    [Query(f"max by (cluster) ({series(_LAG)})", "{{cluster}}")],
                    limit=limits.scheduler_lag_seconds,
                ),
                timeseries(
                    "Schedule delay, mean of 10 minutes",
                    "Mean time from due to started, as the alert reckons it.",
                    "s",
                    [Query(mean(_DELAY, "tier", "team", by="cluster", over="10m"), "{{cluster}}")],
                    limit=limits.schedule_delay_seconds,
                ),
                timeseries(
                    "Runs late, by kind",
                    "not_created: due and not made. not_started: made, its DAG has room, and not "
                    "started. deadline: open past a deadline of its DAG.",
                    "short",
                    [Query(f"sum by (cluster, kind) ({overdue})", "{{kind}} {{cluster}}")],
                    stacked=True,
                ),
            ),
            *row(
                timeseries(
                    "Oldest queued run",
                    "How long the oldest run has been queued, by tier.",
                    "s",
                    [Query(f"max by (cluster, tier) ({oldest})", "{{tier}} {{cluster}}")],
                ),
                timeseries(
                    "Runs lost by team",
                    "Scheduled runs that will never be made, in the window, the ten teams that "
                    "lost most.",
                    "short",
                    [Query(top(10, increase(never, by="team")), "{{team}}")],
                ),
                timeseries(
                    "Scheduled and not queued",
                    "Tasks that wait for a scheduler or a pool, among all that wait or run. Beyond "
                    "the line it is the scheduler's doing.",
                    "percentunit",
                    [Query(share, "{{cluster}}")],
                    limit=limits.scheduled_ratio,
                    maximum=1,
                ),
            ),
        ),
    )


def _schedulers(limits: Limits) -> Section:
    up = series("airwarden_component_up", component="scheduler")
    heartbeat = series("airwarden_component_heartbeat_timestamp_seconds", component="scheduler")

    def p95(metric: str) -> list[Query]:
        buckets = series(f"{metric}_bucket")
        found = quantile(0.95, buckets, by="cluster, hostname", over="$__rate_interval")
        return [Query(top(10, found), "{{hostname}}")]

    return Section(
        "Schedulers",
        (
            *row(
                timeline(
                    "Schedulers",
                    "Each scheduler's line: up while it reports. With more than fifty, those that "
                    "are down come first.",
                    [
                        Query(
                            f"bottomk(50, max by (cluster, hostname) ({up}))",
                            "{{hostname}}",
                        )
                    ],
                    UP_DOWN,
                ),
                timeseries(
                    "Heartbeat age of schedulers",
                    "Time since each scheduler last reported, the twenty that have been silent "
                    "longest. Beyond the line it counts as down.",
                    "s",
                    [Query(top(20, now(heartbeat, by="cluster, hostname")), "{{hostname}}")],
                    limit=limits.heartbeat_seconds,
                ),
                timeseries(
                    "Loop duration, p95",
                    "How long a turn of a scheduler's loop takes.",
                    "s",
                    p95("airwarden_scheduler_loop_duration_seconds"),
                    no_value=Source.STATSD,
                ),
            ),
            *row(
                timeseries(
                    "Critical section, p95",
                    "How long a scheduler is in the section that only one may be in at a time.",
                    "s",
                    p95("airwarden_scheduler_critical_section_duration_seconds"),
                    no_value=Source.STATSD,
                ),
                timeseries(
                    "Critical section busy",
                    "Times a second that a scheduler found another one in it. More schedulers do "
                    "not help where this is high.",
                    "ops",
                    [
                        Query(
                            top(
                                10,
                                rate(
                                    series("airwarden_scheduler_critical_section_busy_total"),
                                    by="cluster, hostname",
                                ),
                            ),
                            "{{hostname}}",
                        )
                    ],
                    no_value=Source.STATSD,
                ),
                timeseries(
                    "Executor heartbeat, p95",
                    "How long the executors take to hand over work and to learn of what ended.",
                    "s",
                    p95("airwarden_scheduler_executor_heartbeat_duration_seconds"),
                    no_value=Source.STATSD,
                ),
            ),
            *row(
                timeseries(
                    "Tasks of schedulers that are gone",
                    "Tasks that another scheduler adopted, or cleared to start again, in the window.",
                    "short",
                    [
                        Query(
                            increase(
                                series("airwarden_orphaned_tasks_total"), by="cluster, action"
                            ),
                            "{{action}} {{cluster}}",
                        )
                    ],
                    no_value=Source.STATSD,
                ),
                timeseries(
                    "Tasks killed from outside",
                    "Tasks that ended without reporting it, in the window.",
                    "short",
                    [
                        Query(
                            increase(
                                series("airwarden_tasks_killed_externally_total"), by="cluster"
                            ),
                            "{{cluster}}",
                        )
                    ],
                    no_value=Source.STATSD,
                ),
                timeseries(
                    "What should not be",
                    "Tasks and runs in states that contradict each other: orphaned_task, "
                    "task_of_ended_run, run_without_work.",
                    "short",
                    [
                        Query(
                            f"sum by (cluster, kind) ({series('airwarden_consistency_problems')})",
                            "{{kind}} {{cluster}}",
                        )
                    ],
                    limit=0,
                ),
            ),
        ),
    )


def _files(limits: Limits) -> Section:
    def by_bundle(metric: str) -> list[Query]:
        found = f"max by (cluster, bundle) ({series(metric)})"
        return [Query(top(10, found), "{{bundle}} {{cluster}}")]

    return Section(
        "DAG files",
        (
            *row(
                timeseries(
                    "DAGs",
                    "DAGs by status. A sudden fall is a bundle that lost its files.",
                    "short",
                    [Query(f"sum by (status) ({series('airwarden_dags')})", "{{status}}")],
                ),
                timeseries(
                    "Files that cannot be imported",
                    "Import errors by bundle, the ten worst.",
                    "short",
                    by_bundle("airwarden_dag_import_errors"),
                    limit=0,
                ),
                timeseries(
                    "Oldest parse",
                    "Time since the last parse of the file that has waited longest, by bundle.",
                    "s",
                    by_bundle("airwarden_dag_file_oldest_parse_age_seconds"),
                    limit=limits.parse_age_seconds,
                ),
            ),
            *row(
                timeseries(
                    "Time to parse everything",
                    "How long the last parse of all files took, one after the other, by bundle.",
                    "s",
                    by_bundle("airwarden_dag_parse_total_seconds"),
                ),
                timeseries(
                    "Files waiting for a parse",
                    "Files in the DAG processor's queue, and parses that it ended because they took "
                    "too long, in the window.",
                    "short",
                    [
                        Query(
                            f"sum by (cluster) ({series('airwarden_dag_file_queue')})",
                            "waiting {{cluster}}",
                        ),
                        Query(
                            increase(
                                series("airwarden_dag_processor_timeouts_total"), by="cluster"
                            ),
                            "ended {{cluster}}",
                        ),
                    ],
                    no_value=Source.STATSD,
                ),
                timeseries(
                    "Bundle's last refresh",
                    "Time since the DAG processor last fetched each bundle, the ten oldest.",
                    "s",
                    [
                        Query(
                            top(
                                10,
                                now(
                                    series("airwarden_dag_bundle_last_refresh_timestamp_seconds"),
                                    by="cluster, bundle",
                                ),
                            ),
                            "{{bundle}} {{cluster}}",
                        )
                    ],
                ),
            ),
            *row(
                timeseries(
                    "DAGs behind their bundle",
                    "DAGs whose last parse was of another version than the bundle has now.",
                    "short",
                    by_bundle("airwarden_dags_behind_bundle"),
                ),
                timeseries(
                    "DAGs never stored",
                    "DAGs that are listed and were never stored: the scheduler cannot run them.",
                    "short",
                    by_bundle("airwarden_dags_unserialized"),
                ),
                timeseries(
                    "Warnings about DAGs",
                    "DAGs of which Airflow warns, by kind of warning.",
                    "short",
                    [
                        Query(
                            top(
                                10,
                                f"sum by (cluster, warning) ({series('airwarden_dag_warnings')})",
                            ),
                            "{{warning}}",
                        )
                    ],
                    no_value=none_now("Airflow warns of no DAG"),
                ),
            ),
        ),
    )


def _others(limits: Limits) -> Section:
    triggers = series("airwarden_triggers", hostname="!~none")
    capacity = series("airwarden_triggerer_capacity")
    cache = series("airwarden_api_dag_bag_cache_total", outcome="hit")
    looked = series("airwarden_api_dag_bag_cache_total")
    return Section(
        "Triggerers, executors, API servers",
        (
            *row(
                timeseries(
                    "Triggerers' load",
                    "Triggers that run among those that may run at once.",
                    "percentunit",
                    [
                        Query(
                            f"sum by (cluster) ({triggers}) / (sum by (cluster) ({capacity}) > 0)",
                            "{{cluster}}",
                        )
                    ],
                    limit=limits.triggerer_ratio,
                    no_value=Source.STATSD,
                ),
                timeseries(
                    "Oldest trigger that nobody has",
                    "Age of the oldest deferred work without a live triggerer, by queue.",
                    "s",
                    [
                        Query(
                            top(
                                10,
                                "max by (cluster, queue) ("
                                f"{series('airwarden_trigger_oldest_waiting_age_seconds')})",
                            ),
                            "{{queue}} {{cluster}}",
                        )
                    ],
                    limit=limits.trigger_wait_seconds,
                ),
                timeseries(
                    "Triggers that hold up others",
                    "Times in the window that a trigger held up all others of its triggerer.",
                    "short",
                    [
                        Query(
                            top(
                                10,
                                increase(
                                    series("airwarden_triggers_blocked_main_thread_total"),
                                    by="cluster, hostname",
                                ),
                            ),
                            "{{hostname}}",
                        )
                    ],
                    no_value=Source.STATSD,
                ),
            ),
            *row(
                timeseries(
                    "Executor slots open",
                    "Slots that an executor has left.",
                    "short",
                    [
                        Query(
                            "sum by (cluster, executor) "
                            f"({series('airwarden_executor_slots', state='open')})",
                            "{{executor}} {{cluster}}",
                        )
                    ],
                    floor=limits.executor_slots,
                    no_value=Source.STATSD,
                ),
                timeseries(
                    "API servers' DAG cache",
                    "Look-ups of DAGs that an API server had already.",
                    "percentunit",
                    [
                        Query(
                            f"{rate(cache, by='cluster')} / ({rate(looked, by='cluster')} > 0)",
                            "{{cluster}}",
                        )
                    ],
                    maximum=1,
                    no_value=Source.STATSD,
                ),
                timeseries(
                    "DAGs that API servers keep",
                    "Size of their cache: it grows with memory.",
                    "short",
                    [
                        Query(
                            f"sum by (cluster) ({series('airwarden_api_dag_bag_cache_size')})",
                            "{{cluster}}",
                        )
                    ],
                    no_value=Source.STATSD,
                ),
            ),
        ),
        collapsed=True,
    )
