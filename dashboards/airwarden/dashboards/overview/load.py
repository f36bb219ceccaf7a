"""Runs, tasks, queues and workers: how much there is to do, and how fast it is done."""

from __future__ import annotations

from airwarden.dashboards.config import Limits
from airwarden.dashboards.layout import Section, Sized
from airwarden.dashboards.panels import timeseries
from airwarden.dashboards.queries import Query, increase, quantile, series

RUNS = "airwarden_dag_runs_finished_total"


def load(limits: Limits) -> Section:
    """Return failures, backlog, waiting times and utilization."""
    failed = increase(series(RUNS, "tier", "team", state="failed"), by="team", over="10m")
    ended = increase(series(RUNS, "tier", "team", state="~success|failed"), by="team", over="10m")
    pools = "airwarden_pool_slots"
    taken = f"sum by (cluster, pool) ({series(pools, state='~running|queued')})"
    slots = f"sum by (cluster, pool) ({series(pools, state='total')})"
    return Section(
        "Runs, queues and workers",
        (
            Sized(
                timeseries(
                    "DAG failures by team",
                    "Failed among finished runs of the last 10 minutes, the ten worst teams. The "
                    "line is the limit for the whole platform.",
                    "percentunit",
                    [Query(f"topk(10, {failed} / ({ended} > 0))", "{{team}}")],
                    limit=limits.dag_failure_ratio,
                    maximum=1,
                ),
                8,
                8,
            ),
            Sized(
                timeseries(
                    "Tasks by state",
                    "Unfinished task instances.",
                    "short",
                    [Query(f"sum by (state) ({series('airwarden_task_instances')})", "{{state}}")],
                    stacked=True,
                ),
                8,
                8,
            ),
            Sized(
                timeseries(
                    "Queue depth",
                    "Messages that wait in the broker for a worker. Beyond the line for the "
                    "alert's time, workers are added where the playbook may.",
                    "short",
                    [
                        Query(
                            "sum by (cluster, queue) "
                            f"({series('airwarden_celery_queue_messages')})",
                            "{{queue}}",
                        )
                    ],
                    limit=limits.queue_depth,
                ),
                8,
                8,
            ),
            Sized(
                timeseries(
                    "Wait in queue, p95",
                    "From when a task was queued to its start.",
                    "s",
                    [
                        Query(
                            quantile(
                                0.95,
                                series("airwarden_task_queue_wait_seconds_bucket"),
                                by="queue",
                                over="10m",
                            ),
                            "{{queue}}",
                        )
                    ],
                ),
                8,
                8,
            ),
            Sized(
                timeseries(
                    "Utilization",
                    "Busy among what there is, by resource, and by queue for worker slots.",
                    "percentunit",
                    [
                        Query(
                            "max by (cluster, resource) "
                            f"({series('airwarden_cluster_utilization_ratio')})",
                            "{{resource}}",
                        ),
                        Query(
                            "max by (cluster, queue) "
                            f"({series('airwarden_celery_worker_slot_utilization_ratio')})",
                            "slots of {{queue}}",
                        ),
                    ],
                    limit=limits.utilization_ratio,
                    maximum=1,
                ),
                8,
                8,
            ),
            Sized(
                timeseries(
                    "Workers",
                    "Workers that answer, and those that answer but consume from no queue.",
                    "short",
                    [
                        Query(f"sum({series('airwarden_celery_worker_up')})", "answering"),
                        Query(
                            f"count({series('airwarden_celery_worker_queues')} == 0) or vector(0)",
                            "silent",
                        ),
                    ],
                ),
                8,
                8,
            ),
            Sized(
                timeseries(
                    "Pools, fullest ten",
                    "Running and queued among a pool's slots. A full pool holds its tasks back "
                    "without any error.",
                    "percentunit",
                    [Query(f"topk(10, {taken} / ({slots} > 0))", "{{pool}}")],
                ),
                12,
                8,
            ),
            Sized(
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
                ),
                12,
                8,
            ),
        ),
    )
