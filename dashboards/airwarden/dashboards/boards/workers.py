"""Does the broker pass tasks on, do workers take them, and is there room for more?"""

from __future__ import annotations

from typing import Any

from airwarden.dashboards.absent import Source, none_now
from airwarden.dashboards.config import DashboardConfig, Limits
from airwarden.dashboards.layout import Section, dashboard, numbers, row
from airwarden.dashboards.names import KUBERNETES, TASKS, WORKERS
from airwarden.dashboards.panels import (
    RED,
    UP_DOWN,
    any_is,
    at_least,
    at_most,
    override,
    stat,
    table,
    timeline,
    timeseries,
)
from airwarden.dashboards.queries import Query, increase, now, rate, series, top

_UP = series("airwarden_celery_worker_up")
_SILENT = f"count({series('airwarden_celery_worker_queues')} == 0) or vector(0)"
_UTILIZATION = "airwarden_cluster_utilization_ratio"


def workers(config: DashboardConfig) -> dict[str, Any]:
    """Return the dashboard of broker and workers."""
    limits = config.limits
    return dashboard(
        WORKERS,
        (_now(limits), _queues(limits), _workers(limits), _broker(limits), _machines(limits)),
    )


def _now(limits: Limits) -> Section:
    return Section(
        "Now",
        numbers(
            stat(
                "Broker up",
                "Whether the broker answers.",
                "percentunit",
                [Query(f"min({series('airwarden_broker_up')})")],
                steps=at_least(1),
                no_value="no broker",
            ),
            stat(
                "Workers",
                "Workers that answer, and those that fell silent in the last ten minutes.",
                "none",
                [
                    Query(f"sum({_UP})", "answer"),
                    Query(f"count({_UP} == 0) or vector(0)", "silent"),
                ],
                no_value="no Celery",
            ),
            stat(
                "Workers that take nothing",
                "Workers that answer and consume from no queue: Celery lost its connection and did "
                "not notice.",
                "none",
                [Query(_SILENT)],
                steps=any_is(RED),
            ),
            stat(
                "Slots in use",
                "Busy among all worker slots. Above the alert's limit for long, workers are added "
                "where the playbook may.",
                "percentunit",
                [Query(f"max({series(_UTILIZATION, resource='slots')})")],
                steps=at_most(limits.utilization_ratio),
                decimals=0,
                no_value="no Celery",
            ),
            stat(
                "Messages waiting",
                "Messages in all queues of the broker.",
                "short",
                [Query(f"sum({series('airwarden_celery_queue_messages', 'queue')})")],
                no_value="no broker",
                more=TASKS,
            ),
            stat(
                "Tasks without a message",
                "Tasks that the database holds as queued and neither broker nor worker has: lost "
                "ones.",
                "short",
                [Query(f"sum({series('airwarden_celery_queue_drift_tasks', 'queue')} > 0)")],
                steps=at_most(limits.queue_drift),
                no_value="0",
            ),
        ),
    )


def _queues(limits: Limits) -> Section:
    def by_queue(metric: str, how: str = "sum") -> str:
        return f"{how} by (cluster, queue) ({series(metric, 'queue')})"

    drift = by_queue("airwarden_celery_queue_drift_tasks")
    return Section(
        "Queues",
        (
            *row(
                timeseries(
                    "Queue depth",
                    "Messages that wait for a worker, the twenty longest queues. Beyond the line for the "
                    "alert's time, workers are added where the playbook may.",
                    "short",
                    [
                        Query(
                            top(20, by_queue("airwarden_celery_queue_messages")),
                            "{{queue}} {{cluster}}",
                        )
                    ],
                    limit=limits.queue_depth,
                ),
                timeseries(
                    "Workers for each queue",
                    "Workers that consume from a queue; the twenty queues with fewest. None with "
                    "messages waiting is an outage of that queue.",
                    "short",
                    [
                        Query(
                            f"bottomk(20, {by_queue('airwarden_celery_queue_consumers')})",
                            "{{queue}} {{cluster}}",
                        )
                    ],
                ),
                timeseries(
                    "Slots in use by queue",
                    "Slots in use, of the workers that consume from a queue, the twenty fullest.",
                    "percentunit",
                    [
                        Query(
                            top(
                                20,
                                by_queue("airwarden_celery_worker_slot_utilization_ratio", "max"),
                            ),
                            "{{queue}} {{cluster}}",
                        )
                    ],
                    limit=limits.utilization_ratio,
                    maximum=1,
                ),
            ),
            *row(
                timeseries(
                    "Lost messages",
                    "Queued tasks less messages and tasks in workers' hands, by queue; below zero "
                    "there are messages without a task.",
                    "short",
                    [Query(top(20, drift), "{{queue}} {{cluster}}")],
                    limit=limits.queue_drift,
                    minimum=None,
                ),
                timeseries(
                    "Taken and not acknowledged",
                    "Messages in workers' hands, tasks under way included. Redis keeps them "
                    "together.",
                    "short",
                    [
                        Query(
                            top(20, by_queue("airwarden_celery_unacked_messages")),
                            "{{queue}} {{cluster}}",
                        )
                    ],
                ),
                timeseries(
                    "Tasks not handed over, 10 minutes",
                    "Tasks that the executor could not hand to the broker; each costs a try.",
                    "short",
                    [
                        Query(
                            increase(
                                series("airwarden_celery_publish_failures_total"),
                                by="cluster, kind",
                                over="10m",
                            ),
                            "{{kind}} {{cluster}}",
                        )
                    ],
                    limit=limits.publish_failures,
                    no_value=Source.STATSD,
                ),
            ),
        ),
    )


def _workers(limits: Limits) -> Section:
    def by_host(metric: str) -> str:
        return f"max by (cluster, hostname) ({series(metric)})"

    slots = by_host("airwarden_celery_worker_concurrency")
    active = by_host("airwarden_celery_worker_tasks_active")
    busy = f"{active} / on (cluster, hostname) ({slots} > 0)"
    shown = f"on (cluster, hostname) bottomk(50, {by_host('airwarden_celery_worker_up')})"
    heartbeat = series("airwarden_celery_worker_heartbeat_timestamp_seconds")
    return Section(
        "Workers",
        (
            *row(
                timeseries(
                    "Slots and tasks",
                    "Slots of all workers, tasks that they execute, and tasks that they have taken "
                    "and not begun.",
                    "short",
                    [
                        Query(f"sum({series('airwarden_celery_worker_concurrency')})", "slots"),
                        Query(
                            f"sum({series('airwarden_celery_worker_tasks_active')})", "executing"
                        ),
                        Query(f"sum({series('airwarden_celery_worker_tasks_reserved')})", "taken"),
                    ],
                ),
                timeseries(
                    "Workers that answer",
                    "Workers that answer, and those that answer but consume from no queue.",
                    "short",
                    [Query(f"sum({_UP})", "answering"), Query(_SILENT, "silent")],
                ),
                timeseries(
                    "Silence of workers",
                    "Time since a worker last answered, the twenty longest.",
                    "s",
                    [Query(top(20, now(heartbeat, by="cluster, hostname")), "{{hostname}}")],
                    limit=limits.heartbeat_seconds,
                ),
            ),
            *row(
                timeline(
                    "Each worker",
                    "Up while it answers. With more than fifty, those that are down come first.",
                    [
                        Query(
                            f"bottomk(50, {by_host('airwarden_celery_worker_up')})",
                            "{{hostname}}",
                        )
                    ],
                    UP_DOWN,
                    no_value="no Celery",
                ),
                table(
                    "Workers, fifty at most",
                    "Those that do not answer come first.",
                    "none",
                    [
                        Query(
                            f"bottomk(50, {by_host('airwarden_celery_worker_up')})", instant=True
                        ),
                        Query(f"{slots} and {shown}", instant=True),
                        Query(f"{active} and {shown}", instant=True),
                        Query(f"{busy} and {shown}", instant=True),
                        Query(
                            f"{by_host('airwarden_celery_worker_queues')} and {shown}", instant=True
                        ),
                    ],
                    columns={
                        "hostname": "Worker",
                        "cluster": "Cluster",
                        "Value #A": "Up",
                        "Value #B": "Slots",
                        "Value #C": "Executing",
                        "Value #D": "In use",
                        "Value #E": "Queues",
                    },
                    overrides=[
                        override("Up", mappings=UP_DOWN, custom_cellOptions={"type": "color-text"}),
                        override("In use", unit="percentunit", decimals=0),
                    ],
                    sort_by="In use",
                    no_value="",
                ),
                height=11,
            ),
        ),
    )


def _broker(limits: Limits) -> Section:
    used = f"max by (cluster, kind) ({series('airwarden_broker_memory_used_bytes')})"
    room = f"max by (cluster, kind) ({series('airwarden_broker_memory_max_bytes')} > 0)"
    return Section(
        "Broker",
        row(
            timeseries(
                "Broker's memory",
                "Used among what the broker may use; absent where it has no limit.",
                "percentunit",
                [Query(f"{used} / on (cluster, kind) {room}", "{{kind}} {{cluster}}")],
                limit=limits.broker_memory_ratio,
                maximum=1,
                no_value=none_now("no limit is set on the broker's memory"),
            ),
            timeseries(
                "Broker's clients",
                "Connections to the broker.",
                "short",
                [
                    Query(
                        f"max by (cluster, kind) ({series('airwarden_broker_connected_clients')})",
                        "{{kind}} {{cluster}}",
                    )
                ],
            ),
            timeseries(
                "Refused or thrown away",
                "Connections that the broker refused, and keys that it threw away for want of "
                "memory (messages may be among them), in the window.",
                "short",
                [
                    Query(
                        increase(
                            series("airwarden_broker_rejected_connections_total"), by="cluster"
                        ),
                        "refused {{cluster}}",
                    ),
                    Query(
                        increase(series("airwarden_broker_evicted_keys_total"), by="cluster"),
                        "thrown away {{cluster}}",
                    ),
                ],
            ),
        ),
    )


def _machines(limits: Limits) -> Section:
    network = series("airwarden_network_bytes_total")
    return Section(
        "Machines and pods",
        (
            *row(
                timeseries(
                    "Utilization",
                    "Busy among what there is, by resource: worker slots of the platform, CPU, "
                    "memory and disk of the machine that the exporter runs on.",
                    "percentunit",
                    [
                        Query(
                            f"max by (cluster, resource) ({series(_UTILIZATION)})",
                            "{{resource}} {{cluster}}",
                        )
                    ],
                    limit=limits.utilization_ratio,
                    maximum=1,
                ),
                timeseries(
                    "Network",
                    "Bytes in and out per second.",
                    "Bps",
                    [
                        Query(
                            rate(network, by="component, direction"), "{{component}} {{direction}}"
                        )
                    ],
                ),
                timeseries(
                    "Pods",
                    "Pods by component and phase.",
                    "short",
                    [
                        Query(
                            top(20, f"sum by (component, phase) ({series('airwarden_pods')})"),
                            "{{component}} {{phase}}",
                        )
                    ],
                    no_value=Source.MAPPED,
                    more=KUBERNETES,
                ),
            ),
            *row(
                timeseries(
                    "Oldest pending pod",
                    "Age of the oldest pod that is pending, by component.",
                    "s",
                    [
                        Query(
                            top(
                                20,
                                "max by (component) "
                                f"({series('airwarden_pod_pending_oldest_age_seconds')})",
                            ),
                            "{{component}}",
                        )
                    ],
                    no_value=Source.MAPPED,
                ),
                timeseries(
                    "Restarts of containers",
                    "Restarts in the window, by component.",
                    "short",
                    [
                        Query(
                            top(
                                20, increase(series("airwarden_pod_restarts_total"), by="component")
                            ),
                            "{{component}}",
                        )
                    ],
                    no_value=Source.MAPPED,
                ),
                timeseries(
                    "Dependencies",
                    "Whether each declared external dependency answers its probe; 0 is down.",
                    "none",
                    [
                        Query(
                            "bottomk(20, min by (cluster, dependency) "
                            f"({series('airwarden_dependency_up')}))",
                            "{{dependency}} {{cluster}}",
                        )
                    ],
                    floor=1,
                    maximum=1,
                    no_value=Source.DEPENDENCIES,
                ),
            ),
        ),
        collapsed=True,
    )
