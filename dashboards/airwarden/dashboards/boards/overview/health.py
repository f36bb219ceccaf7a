"""Components as they report, as their host sees them, and what they all stand on."""

from __future__ import annotations

from airwarden.dashboards.config import Limits
from airwarden.dashboards.layout import Section, row
from airwarden.dashboards.names import DATABASE, SCHEDULER, WORKERS
from airwarden.dashboards.panels import UP_DOWN, timeline, timeseries
from airwarden.dashboards.queries import Query, now, series, top


def health(limits: Limits) -> Section:
    """Return the state of every component, its heartbeat, and what it depends on."""
    heartbeat = series("airwarden_component_heartbeat_timestamp_seconds")
    components = series("airwarden_component_up")
    processes = series("airwarden_host_process_up")
    return Section(
        "Components",
        (
            *row(
                timeline(
                    "Components",
                    "Up while the component reports (scheduler, triggerer, dag-processor) or "
                    "answers (API server). Airflow's own health page looks at the newest of each "
                    "kind only; here each one has its line. With more than fifty, those that are "
                    "down come first.",
                    [
                        Query(
                            f"bottomk(50, max by (cluster, component, hostname) ({components}))",
                            "{{component}} {{hostname}}",
                        )
                    ],
                    UP_DOWN,
                    more=SCHEDULER,
                ),
                timeline(
                    "Host processes",
                    "What the hosts' supervisor says: down means frozen, exited or given up. A "
                    "process that was stopped on purpose is not listed. With more than fifty, those "
                    "that are down come first.",
                    [
                        Query(
                            f"bottomk(50, min by (cluster, component, process) ({processes}))",
                            "{{component}} {{process}}",
                        )
                    ],
                    UP_DOWN,
                    no_value="no supervisor is read",
                ),
                timeline(
                    "Dependencies and broker",
                    "Whether the broker and each declared external dependency answer their probe.",
                    [
                        Query(
                            "bottomk(30, min by (cluster, dependency) "
                            f"({series('airwarden_dependency_up')}))",
                            "{{dependency}}",
                        ),
                        Query(
                            f"min by (cluster, kind) ({series('airwarden_broker_up')})",
                            "broker {{kind}}",
                        ),
                    ],
                    UP_DOWN,
                    more=WORKERS,
                ),
            ),
            *row(
                timeseries(
                    "Scheduler lag",
                    "Age of the oldest work that is due and not scheduled: a run not created, a "
                    "run not started, or a task not queued.",
                    "s",
                    [
                        Query(
                            f"max by (cluster) ({series('airwarden_scheduler_lag_seconds')})",
                            "{{cluster}}",
                        )
                    ],
                    limit=limits.scheduler_lag_seconds,
                    more=SCHEDULER,
                ),
                timeseries(
                    "Heartbeat age",
                    "Time since each component last reported to the database, the twenty that have "
                    "been silent longest. Beyond the line it counts as down.",
                    "s",
                    [
                        Query(
                            top(20, now(heartbeat, by="cluster, component, hostname")),
                            "{{component}} {{hostname}}",
                        )
                    ],
                    limit=limits.heartbeat_seconds,
                    more=SCHEDULER,
                ),
                timeseries(
                    "Connections used",
                    "Used among the connections that ordinary roles may open. At 100 % every new "
                    "connection of Airflow is refused.",
                    "percentunit",
                    [
                        Query(
                            "max by (cluster) "
                            f"({series('airwarden_db_connection_utilization_ratio')})",
                            "{{cluster}}",
                        )
                    ],
                    limit=limits.connection_ratio,
                    maximum=1,
                    more=DATABASE,
                ),
            ),
        ),
    )
