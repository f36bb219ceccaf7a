"""Components as they report, as their host sees them, and what they all stand on."""

from __future__ import annotations

from airwarden.dashboards.config import Limits
from airwarden.dashboards.layout import Section, Sized
from airwarden.dashboards.panels import UP_DOWN, timeline, timeseries
from airwarden.dashboards.queries import Query, quantile, rate, series


def health(limits: Limits) -> Section:
    """Return the state of every component, its heartbeat, and the scheduler's lag."""
    heartbeat = series("airwarden_component_heartbeat_timestamp_seconds")
    return Section(
        "Components",
        (
            Sized(
                timeline(
                    "Components",
                    "Up while the component reports (scheduler, triggerer, dag-processor) or "
                    "answers (API server). Airflow's own health page looks at the newest of each "
                    "kind only; here each one has its line.",
                    [
                        Query(
                            "max by (cluster, component, hostname) "
                            f"({series('airwarden_component_up')})",
                            "{{component}} {{hostname}}",
                        )
                    ],
                    UP_DOWN,
                ),
                12,
                8,
            ),
            Sized(
                timeline(
                    "Host processes",
                    "What the hosts' supervisor says: down means frozen, exited or given up. A "
                    "process that was stopped on purpose is not listed.",
                    [
                        Query(
                            "min by (cluster, component, process) "
                            f"({series('airwarden_host_process_up')})",
                            "{{component}} {{process}}",
                        )
                    ],
                    UP_DOWN,
                ),
                12,
                8,
            ),
            Sized(
                timeseries(
                    "Heartbeat age",
                    "Time since each component last reported to the database. Beyond the line it "
                    "counts as down.",
                    "s",
                    [
                        Query(
                            f"time() - max by (cluster, component, hostname) ({heartbeat})",
                            "{{component}} {{hostname}}",
                        )
                    ],
                    limit=limits.heartbeat_seconds,
                ),
                8,
                8,
            ),
            Sized(
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
                ),
                8,
                8,
            ),
            Sized(
                timeseries(
                    "Task starts",
                    "Tasks that began to run, per second. Zero with work waiting is a stall, even "
                    "if every heartbeat is fresh.",
                    "ops",
                    [
                        Query(
                            rate(
                                series("airwarden_task_instances_started_total"),
                                by="queue",
                            ),
                            "{{queue}}",
                        )
                    ],
                ),
                8,
                8,
            ),
        ),
    )


def database_and_broker(limits: Limits) -> Section:
    """Return what every component depends on."""
    held = series("airwarden_db_scheduler_lock_held_seconds")
    return Section(
        "Metadata database, dependencies",
        (
            Sized(
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
                ),
                8,
                8,
            ),
            Sized(
                timeseries(
                    "Connections by application",
                    "The ten applications that hold most connections: a leak shows as one that "
                    "grows and stays.",
                    "short",
                    [
                        Query(
                            "topk(10, sum by (cluster, application) "
                            f"({series('airwarden_db_connections')}))",
                            "{{application}}",
                        )
                    ],
                    stacked=True,
                ),
                8,
                8,
            ),
            Sized(
                timeseries(
                    "Probe",
                    "The database's answer to a trivial query: the newest one, and the p95 of the "
                    "last minutes. Beyond the line the database itself is the fault, and no "
                    "scheduler is restarted for being late.",
                    "s",
                    [
                        Query(
                            f"max by (cluster) ({series('airwarden_db_probe_last_seconds')})",
                            "last {{cluster}}",
                        ),
                        Query(
                            quantile(
                                0.95,
                                series("airwarden_db_probe_duration_seconds_bucket"),
                                by="cluster",
                                over="$__rate_interval",
                            ),
                            "p95 {{cluster}}",
                        ),
                    ],
                    limit=limits.probe_seconds,
                ),
                8,
                8,
            ),
            Sized(
                timeseries(
                    "Scheduler's lock held by an idle session",
                    "How long a session that does nothing holds the lock that scheduling needs. "
                    "Schedulers do not wait for it, they skip: no wait shows anywhere else.",
                    "s",
                    [Query(f"max by (cluster, application) ({held})", "{{application}}")],
                    limit=limits.lock_held_seconds,
                ),
                8,
                8,
            ),
            Sized(
                timeseries(
                    "Idle in transaction",
                    "Age of the oldest transaction that is open and idle, by application.",
                    "s",
                    [
                        Query(
                            "topk(10, max by (cluster, application) "
                            f"({series('airwarden_db_idle_in_transaction_age_seconds')}))",
                            "{{application}}",
                        )
                    ],
                ),
                8,
                8,
            ),
            Sized(
                timeline(
                    "Dependencies and broker",
                    "Whether the broker and each declared external dependency answer their probe.",
                    [
                        Query(
                            f"min by (cluster, dependency) ({series('airwarden_dependency_up')})",
                            "{{dependency}}",
                        ),
                        Query(
                            f"min by (cluster, kind) ({series('airwarden_broker_up')})",
                            "broker {{kind}}",
                        ),
                    ],
                    UP_DOWN,
                ),
                8,
                8,
            ),
        ),
    )
