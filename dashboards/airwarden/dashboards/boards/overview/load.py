"""Runs, tasks, queues and workers: how much there is to do, and how fast it is done."""

from __future__ import annotations

from airwarden.dashboards.absent import Source
from airwarden.dashboards.config import Limits
from airwarden.dashboards.layout import Section, row
from airwarden.dashboards.names import DATA, SCHEDULER, TASKS, TYPES, WORKERS
from airwarden.dashboards.panels import timeseries
from airwarden.dashboards.queries import Query, mean_asset_age, quantile, rate, series, top

#: Recorded for the alerts: failed among finished runs of 10 minutes.
_FAILED = "cluster_team:airwarden_dag_runs_failed:ratio_increase10m"


def load(limits: Limits) -> Section:
    """Return failures, backlog, waiting times and utilization."""
    utilization = series("airwarden_cluster_utilization_ratio")
    messages = f"sum by (cluster, queue) ({series('airwarden_celery_queue_messages', 'queue')})"
    waits = quantile(
        0.95, series("airwarden_task_queue_wait_seconds_bucket", "queue"), by="queue", over="10m"
    )
    return Section(
        "Runs, queues and workers",
        (
            *row(
                timeseries(
                    "DAG failures by team",
                    "Failed among finished runs of the last 10 minutes, the ten worst teams. The "
                    "line is the limit for the whole platform.",
                    "percentunit",
                    [
                        Query(
                            top(10, f"max by (cluster, team) ({series(_FAILED, 'team')})"),
                            "{{team}} {{cluster}}",
                        )
                    ],
                    limit=limits.dag_failure_ratio,
                    maximum=1,
                    more=TYPES,
                ),
                timeseries(
                    "DAG runs in progress",
                    "Queued and running DAG runs by tier.",
                    "short",
                    [
                        Query(
                            "sum by (state, tier) "
                            f"({series('airwarden_dag_runs', 'tier', 'team')})",
                            "{{state}} {{tier}}",
                        )
                    ],
                    stacked=True,
                    more=SCHEDULER,
                ),
                timeseries(
                    "Tasks by state",
                    "Unfinished task instances.",
                    "short",
                    [
                        Query(
                            f"sum by (state) ({series('airwarden_task_instances', 'queue')})",
                            "{{state}}",
                        )
                    ],
                    stacked=True,
                    more=TASKS,
                ),
            ),
            *row(
                timeseries(
                    "Queue depth",
                    "Messages that wait in the broker for a worker, the ten longest queues. Beyond "
                    "the line for the alert's time, workers are added where the playbook may.",
                    "short",
                    [Query(top(10, messages), "{{queue}} {{cluster}}")],
                    limit=limits.queue_depth,
                    more=WORKERS,
                ),
                timeseries(
                    "Wait in queue, p95",
                    "From when a task was queued to its start, the ten slowest queues.",
                    "s",
                    [Query(top(10, waits), "{{queue}}")],
                    more=TASKS,
                ),
                timeseries(
                    "Utilization",
                    "Busy among what there is, by resource.",
                    "percentunit",
                    [
                        Query(
                            f"max by (cluster, resource) ({utilization})",
                            "{{resource}} {{cluster}}",
                        )
                    ],
                    limit=limits.utilization_ratio,
                    maximum=1,
                    more=WORKERS,
                ),
            ),
            *row(
                timeseries(
                    "Task starts",
                    "Tasks that began to run, per second. Zero with work waiting is a stall, even "
                    "if every heartbeat is fresh.",
                    "ops",
                    [
                        Query(
                            rate(
                                series("airwarden_task_instances_started_total", "queue"),
                                by="cluster",
                            ),
                            "{{cluster}}",
                        )
                    ],
                    more=TASKS,
                ),
                timeseries(
                    "Mean age of data",
                    "Mean age of the registered assets, by tier.",
                    "s",
                    [Query(mean_asset_age(by="tier"), "{{tier}}")],
                    no_value=Source.ASSETS,
                    more=DATA,
                ),
            ),
        ),
    )
