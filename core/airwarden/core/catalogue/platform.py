"""Components, hosts, broker, workers, metadata database, dependencies: what the work runs on."""

from __future__ import annotations

from airwarden.core.catalogue.types import Metric, MetricType

_COUNTER, _GAUGE, _HISTOGRAM = MetricType.COUNTER, MetricType.GAUGE, MetricType.HISTOGRAM
_INSPECT = "Celery remote control"
_BROKER = "Redis: INFO; RabbitMQ: management API"
_ACTIVITY = "PostgreSQL: pg_stat_activity"

METRICS = (
    Metric(
        "airwarden_component_heartbeat_timestamp_seconds",
        _GAUGE,
        ("component", "hostname", "job_id"),
        "Last heartbeat of a job row in state running, as Unix time; a row that a newer one of the same"
        " component and host replaced, or that was silent for an hour (the last one of its component: for a day),"
        " is left out.",
        "metadata database: job; REST without a database",
    ),
    Metric(
        "airwarden_component_up",
        _GAUGE,
        ("component", "hostname"),
        "Whether a component works: a heartbeat younger than 60 s, or an answer of the API server.",
        "metadata database: job; REST",
    ),
    Metric(
        "airwarden_host_process_up",
        _GAUGE,
        ("component", "process"),
        "1 running, 0 frozen, exited or given up by its supervisor; absent when stopped on purpose.",
        "host: supervisord",
    ),
    Metric(
        "airwarden_host_process_start_timestamp_seconds",
        _GAUGE,
        ("component", "process"),
        "When the process's present incarnation started, as Unix time.",
        "host: supervisord",
    ),
    Metric(
        "airwarden_host_processes",
        _GAUGE,
        ("component", "state"),
        "Supervised processes by state.",
        "host: supervisord",
    ),
    Metric(
        "airwarden_celery_queue_messages",
        _GAUGE,
        ("queue", "priority"),
        "Messages that wait in the broker.",
        "Redis: LLEN of the queue and its priority lists; RabbitMQ: management API (priority 0)",
    ),
    Metric(
        "airwarden_celery_unacked_messages",
        _GAUGE,
        ("queue",),
        "Messages that workers have taken and not acknowledged, tasks under way included; Redis keeps"
        " them together, as queue _all.",
        "Redis: HLEN unacked; RabbitMQ: management API",
    ),
    Metric(
        "airwarden_celery_oldest_message_age_seconds",
        _GAUGE,
        ("queue",),
        "Time since the first unacknowledged message was delivered (Redis, queue _all), or since the"
        " first waiting one was sent (RabbitMQ, where it carries its time); absent without one.",
        "Redis: unacked_index; RabbitMQ: management API",
    ),
    Metric(
        "airwarden_celery_queue_drift_tasks",
        _GAUGE,
        ("queue",),
        "Tasks that the database holds as queued and no message and no worker has: lost ones. Below 0:"
        " messages without a queued task.",
        "metadata database: queued task instances; broker; Celery remote control",
    ),
    Metric(
        "airwarden_celery_queue_consumers",
        _GAUGE,
        ("queue",),
        "Workers that consume from a queue; a queue once seen stays, at 0.",
        _INSPECT,
    ),
    Metric(
        "airwarden_broker_up",
        _GAUGE,
        ("kind",),
        "Whether the broker answers.",
        "Redis: PING; RabbitMQ: management API",
    ),
    Metric(
        "airwarden_broker_memory_used_bytes",
        _GAUGE,
        ("kind",),
        "Memory that the broker uses.",
        _BROKER,
    ),
    Metric(
        "airwarden_broker_memory_max_bytes",
        _GAUGE,
        ("kind",),
        "Memory that the broker may use; 0 where no limit is set.",
        _BROKER,
    ),
    Metric(
        "airwarden_broker_connected_clients",
        _GAUGE,
        ("kind",),
        "Connections to the broker.",
        _BROKER,
    ),
    Metric(
        "airwarden_broker_rejected_connections_total",
        _COUNTER,
        ("kind",),
        "Connections that the broker refused because it had too many, since it started; Redis only.",
        "Redis: INFO",
    ),
    Metric(
        "airwarden_broker_evicted_keys_total",
        _COUNTER,
        ("kind",),
        "Keys that Redis threw away for want of memory, since it started: messages may be among them.",
        "Redis: INFO",
    ),
    Metric(
        "airwarden_celery_worker_up",
        _GAUGE,
        ("hostname",),
        "Whether a worker answers; one that fell silent stays, at 0, for ten minutes, unless its host"
        " says that it was stopped on purpose.",
        _INSPECT,
    ),
    Metric(
        "airwarden_celery_worker_tasks_active",
        _GAUGE,
        ("hostname",),
        "Tasks that a worker executes.",
        _INSPECT,
    ),
    Metric(
        "airwarden_celery_worker_tasks_reserved",
        _GAUGE,
        ("hostname",),
        "Tasks that a worker has taken and not begun.",
        _INSPECT,
    ),
    Metric(
        "airwarden_celery_worker_heartbeat_timestamp_seconds",
        _GAUGE,
        ("hostname",),
        "When a worker last answered, as Unix time.",
        _INSPECT,
    ),
    Metric(
        "airwarden_celery_worker_concurrency",
        _GAUGE,
        ("hostname",),
        "Slots of a worker.",
        _INSPECT,
    ),
    Metric(
        "airwarden_celery_worker_queues",
        _GAUGE,
        ("hostname",),
        "Queues that a worker consumes from; 0 for one that answers and takes nothing.",
        _INSPECT,
    ),
    Metric(
        "airwarden_celery_worker_slot_utilization_ratio",
        _GAUGE,
        ("queue",),
        "Slots in use, of the workers that consume from a queue (0 to 1).",
        _INSPECT,
    ),
    Metric(
        "airwarden_cluster_utilization_ratio",
        _GAUGE,
        ("resource",),
        "Share of a resource in use (0 to 1): slots of all workers, cpu, memory and root disk of"
        " this machine.",
        f"{_INSPECT}; /proc",
    ),
    Metric(
        "airwarden_network_bytes_total",
        _COUNTER,
        ("component", "direction"),
        "Bytes that went in and out of this machine (component machine), since it started; loopback and"
        " virtual interfaces are left out.",
        "/proc/net/dev",
    ),
    Metric(
        "airwarden_network_errors_total",
        _COUNTER,
        ("component", "direction"),
        "Packets that were lost to errors of the same interfaces.",
        "/proc/net/dev",
    ),
    Metric(
        "airwarden_db_up",
        _GAUGE,
        (),
        "Whether the metadata database answers on a standing connection.",
        "PostgreSQL: SELECT 1",
    ),
    Metric(
        "airwarden_db_probe_last_seconds",
        _GAUGE,
        ("role",),
        "How long the last SELECT 1 took.",
        "PostgreSQL: SELECT 1",
    ),
    Metric(
        "airwarden_db_probe_duration_seconds",
        _HISTOGRAM,
        ("role",),
        "How long SELECT 1 takes.",
        "PostgreSQL: SELECT 1",
        (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
    ),
    Metric(
        "airwarden_db_connections",
        _GAUGE,
        ("state", "application", "role"),
        "Client sessions of the database server; applications beyond the fifty largest are summed as"
        " _overflow.",
        _ACTIVITY,
    ),
    Metric(
        "airwarden_db_connections_max",
        _GAUGE,
        (),
        "Sessions that ordinary roles may open: max_connections less the reserved ones.",
        "PostgreSQL: settings",
    ),
    Metric(
        "airwarden_db_connection_utilization_ratio",
        _GAUGE,
        (),
        "Client sessions as a share of airwarden_db_connections_max.",
        _ACTIVITY,
    ),
    Metric(
        "airwarden_db_idle_in_transaction_age_seconds",
        _GAUGE,
        ("application",),
        "Longest time that a session of an application has been idle in a transaction.",
        _ACTIVITY,
    ),
    Metric(
        "airwarden_db_scheduler_lock_held_seconds",
        _GAUGE,
        ("application",),
        "How long a session that is idle in a transaction has held what scheduling needs (the critical"
        " section's advisory lock, or rows of slot_pool); absent when none does.",
        f"{_ACTIVITY}, pg_locks",
    ),
    Metric(
        "airwarden_dependency_up",
        _GAUGE,
        ("dependency",),
        "Whether an external dependency answers its probe.",
        "probe of dependencies in airwarden.yaml",
    ),
)
