"""Do tasks start soon, end well and in time, and what holds back or fails those that do not?"""

from __future__ import annotations

from typing import Any

from airwarden.dashboards.absent import Source, none_now
from airwarden.dashboards.config import DashboardConfig, Limits
from airwarden.dashboards.layout import Section, dashboard, numbers, row
from airwarden.dashboards.names import DATABASE, POOLS, SCHEDULER, TASKS, WORKERS
from airwarden.dashboards.panels import (
    RED,
    any_is,
    at_least,
    at_most,
    stat,
    timeseries,
)
from airwarden.dashboards.queries import Query, increase, now, quantile, rate, series, top

_INSTANCES = "airwarden_task_instances"
_ENDED = "airwarden_task_instances_finished_total"
_OLDEST = "airwarden_task_oldest_age_seconds"
_WAIT = "airwarden_task_queue_wait_seconds_bucket"
_TIME = "airwarden_task_duration_seconds_bucket"
_FAILURES = "airwarden_task_failures_total"
#: Recorded for the alerts: scheduled and queued tasks of each queue.
_WAITING = "cluster_queue:airwarden_waiting_tasks:sum"


def tasks(config: DashboardConfig) -> dict[str, Any]:
    """Return the dashboard of tasks and queues."""
    limits = config.limits
    return dashboard(
        TASKS, (_now(limits), _waiting(limits), _running(limits), _failing(limits), _canaries())
    )


def _now(limits: Limits) -> Section:
    good = increase(series(_ENDED, "queue", "tier", "team", state="success"))
    all_ = increase(series(_ENDED, "queue", "tier", "team", state="~success|failed"))
    retried = series(_ENDED, "queue", "tier", "team", state="up_for_retry")
    return Section(
        "Now",
        numbers(
            stat(
                "Running",
                "Tasks that run now.",
                "short",
                [Query(f"sum({series(_INSTANCES, 'queue', state='running')})")],
            ),
            stat(
                "Queued",
                "Tasks that were handed to the executor and have not begun.",
                "short",
                [Query(f"sum({series(_INSTANCES, 'queue', state='queued')})")],
                steps=at_most(limits.queue_depth),
                more=WORKERS,
            ),
            stat(
                "Oldest queued",
                "How long the oldest queued task has waited.",
                "s",
                [Query(f"max({series(_OLDEST, 'queue', state='queued')})")],
                steps=at_most(limits.queued_task_seconds),
                more=WORKERS,
            ),
            stat(
                "Task success",
                "Final outcomes in the window: succeeded among succeeded and failed. The profile's "
                "target is 99.9 %.",
                "percentunit",
                [Query(f"{good} / ({all_} > 0)")],
                steps=at_least(0.999),
                decimals=2,
            ),
            stat(
                "Attempts retried",
                "Failed attempts of the window with another one to come.",
                "short",
                [Query(increase(retried))],
                decimals=0,
            ),
            stat(
                "Tasks that do not move",
                "Queued, scheduled, running, deferred or on a lost worker for longer than they "
                "should be.",
                "none",
                [Query(f"sum({series('airwarden_tasks_stuck')})")],
                steps=any_is(RED),
            ),
        ),
    )


def _waiting(limits: Limits) -> Section:
    wait = quantile(0.95, series(_WAIT, "queue"), by="queue", over="10m")
    return Section(
        "What waits, and for what",
        (
            *row(
                timeseries(
                    "Tasks by state",
                    "Unfinished task instances. scheduled_paused are those of paused DAGs.",
                    "short",
                    [Query(f"sum by (state) ({series(_INSTANCES, 'queue')})", "{{state}}")],
                    stacked=True,
                ),
                timeseries(
                    "Waiting by queue",
                    "Scheduled and queued tasks, the twenty longest queues.",
                    "short",
                    [
                        Query(
                            top(20, f"sum by (cluster, queue) ({series(_WAITING, 'queue')})"),
                            "{{queue}} {{cluster}}",
                        )
                    ],
                    more=WORKERS,
                ),
                timeseries(
                    "Wait in queue, p95",
                    "From when a task was queued to its start, the twenty slowest queues.",
                    "s",
                    [Query(top(20, wait), "{{queue}}")],
                    more=WORKERS,
                ),
            ),
            *row(
                timeseries(
                    "Oldest by state",
                    "How long the oldest task has been in each state.",
                    "s",
                    [Query(f"max by (state) ({series(_OLDEST, 'queue')})", "{{state}}")],
                    limit=limits.queued_task_seconds,
                ),
                timeseries(
                    "What holds tasks back",
                    "Unfinished tasks that do not run, by the first reason that holds; a sample "
                    "where there are very many.",
                    "short",
                    [Query(f"sum by (reason) ({series('airwarden_task_blocked')})", "{{reason}}")],
                    stacked=True,
                    more=POOLS,
                ),
                timeseries(
                    "Tasks that do not move, by kind",
                    "Tasks in a state for longer than they should be.",
                    "short",
                    [
                        Query(
                            f"sum by (cluster, kind) ({series('airwarden_tasks_stuck')})",
                            "{{kind}} {{cluster}}",
                        )
                    ],
                    limit=0,
                ),
            ),
        ),
    )


def _running(limits: Limits) -> Section:
    buckets = series(_TIME, "queue", "tier")
    silent = series("airwarden_task_heartbeat_oldest_age_seconds", "queue")
    timeouts = series("airwarden_task_heartbeat_timeouts_total", "queue")
    return Section(
        "How they run",
        (
            *row(
                timeseries(
                    "Task starts",
                    "Tasks that began to run, per second, the twenty busiest queues.",
                    "ops",
                    [
                        Query(
                            top(
                                20,
                                rate(
                                    series("airwarden_task_instances_started_total", "queue"),
                                    by="queue",
                                ),
                            ),
                            "{{queue}}",
                        )
                    ],
                    more=SCHEDULER,
                ),
                timeseries(
                    "Task ends",
                    "Attempts that ended, per second, by how.",
                    "ops",
                    [Query(rate(series(_ENDED, "queue", "tier", "team"), by="state"), "{{state}}")],
                    stacked=True,
                ),
                timeseries(
                    "Run time",
                    "Run time of attempts that ended in the window, waiting excluded. The profile: "
                    "p50 45 s, p95 3.2 min, p99 8.5 min.",
                    "s",
                    [Query(quantile(q, buckets), f"p{q * 100:g}") for q in (0.5, 0.95, 0.99)],
                ),
            ),
            *row(
                timeseries(
                    "Run time, p95 by tier",
                    "The same, by tier.",
                    "s",
                    [Query(quantile(0.95, buckets, by="tier"), "{{tier}}")],
                ),
                timeseries(
                    "Longest silence of a running task",
                    "Time since the last heartbeat of the task that has been silent longest, the "
                    "twenty worst queues. Airflow ends it after 300 s.",
                    "s",
                    [Query(top(20, f"max by (queue) ({silent})"), "{{queue}}")],
                ),
                timeseries(
                    "Tasks ended for silence, 10 minutes",
                    "Running tasks that Airflow ended because they sent no heartbeat.",
                    "short",
                    [Query(top(20, increase(timeouts, by="queue", over="10m")), "{{queue}}")],
                    limit=limits.heartbeat_timeouts,
                    more=WORKERS,
                ),
            ),
        ),
    )


def _failing(limits: Limits) -> Section:
    failures = series(_FAILURES, "tier", "team")
    platform = series(_FAILURES, "tier", "team", cause="infrastructure")
    connections = series("airwarden_connection_failures_total", connection="!~other")
    return Section(
        "Why they fail",
        (
            *row(
                timeseries(
                    "Failed attempts by cause",
                    "Each failed attempt of the window under its one cause.",
                    "short",
                    [Query(increase(failures, by="cause"), "{{cause}}")],
                    stacked=True,
                ),
                timeseries(
                    "Failed by the platform, 10 minutes",
                    "Attempts with the cause infrastructure: not the DAGs' doing.",
                    "short",
                    [Query(increase(platform, by="cluster", over="10m"), "{{cluster}}")],
                    limit=limits.infrastructure_failures,
                ),
                timeseries(
                    "Failures by connection, 10 minutes",
                    "Attempts that failed on an Airflow connection, the ten worst.",
                    "short",
                    [
                        Query(
                            top(10, increase(connections, by="cluster, connection", over="10m")),
                            "{{connection}}",
                        )
                    ],
                    limit=limits.connection_failures,
                    no_value=none_now("no attempt failed on a connection"),
                ),
            ),
            *row(
                timeseries(
                    "Failures by operator",
                    "Failed attempts of the window, the ten worst operators.",
                    "short",
                    [
                        Query(
                            top(
                                10,
                                increase(
                                    series("airwarden_operator_failures_total"), by="operator"
                                ),
                            ),
                            "{{operator}}",
                        )
                    ],
                ),
                timeseries(
                    "Lost attempts by reason",
                    "Attempts lost with another one to come, in the window: by themselves (task), "
                    "silence (heartbeat), the executor, or because no worker took them.",
                    "short",
                    [
                        Query(
                            increase(series("airwarden_task_retries_total", "team"), by="reason"),
                            "{{reason}}",
                        )
                    ],
                    stacked=True,
                ),
                timeseries(
                    "Failures by team",
                    "Failed attempts of the window, the ten worst teams.",
                    "short",
                    [Query(top(10, increase(failures, by="team")), "{{team}}")],
                ),
            ),
            *row(
                timeseries(
                    "Causes known",
                    "Share of the last hour's failed attempts whose cause is not unknown.",
                    "percentunit",
                    [
                        Query(
                            f"min by (cluster) ({series('airwarden_task_failures_known_ratio')})",
                            "{{cluster}}",
                        )
                    ],
                    maximum=1,
                ),
                timeseries(
                    "Evidence",
                    "What told the cause of the window's failed attempts.",
                    "short",
                    [
                        Query(
                            increase(
                                series("airwarden_task_failures_by_evidence_total"), by="evidence"
                            ),
                            "{{evidence}}",
                        )
                    ],
                    stacked=True,
                ),
                timeseries(
                    "Waiting for evidence",
                    "Failed attempts whose cause is not decided yet.",
                    "short",
                    [
                        Query(
                            f"sum by (cluster) ({series('airwarden_task_failures_undecided')})",
                            "{{cluster}}",
                        )
                    ],
                    more=DATABASE,
                ),
            ),
        ),
    )


def _canaries() -> Section:
    last = series("airwarden_canary_last_success_timestamp_seconds", "queue")
    every = f"max by (cluster, queue) ({series('airwarden_canary_interval_seconds', 'queue')})"
    late = f"({now(last, by='cluster, queue')}) / on (cluster, queue) ({every})"
    took = series("airwarden_canary_run_duration_seconds", "queue")
    return Section(
        "Canaries",
        row(
            timeseries(
                "Canaries' way through",
                "How long after it was due each queue's canary ended: scheduler, executor, broker, "
                "worker and back. The twenty slowest.",
                "s",
                [Query(top(20, f"max by (cluster, queue) ({took})"), "{{queue}} {{cluster}}")],
                no_value=Source.CANARIES,
            ),
            timeseries(
                "Canaries' last success",
                "Time since it, in multiples of the pause between two: beyond 1 one is late. The "
                "twenty latest.",
                "none",
                [Query(top(20, late), "{{queue}} {{cluster}}")],
                no_value=Source.CANARIES,
            ),
        ),
    )
