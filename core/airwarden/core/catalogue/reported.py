"""What only Airflow itself can tell, and reports over StatsD."""

from __future__ import annotations

from airwarden.core.catalogue.types import Metric, MetricType

_COUNTER, _GAUGE, _HISTOGRAM = MetricType.COUNTER, MetricType.GAUGE, MetricType.HISTOGRAM
#: Seconds of one turn of a loop: a healthy one takes tens of milliseconds.
_LOOP_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

METRICS = (
    Metric(
        "airwarden_scheduler_loop_duration_seconds",
        _HISTOGRAM,
        ("hostname",),
        "How long a turn of a scheduler's loop takes; hostname is the address that reports it.",
        "StatsD: scheduler.scheduler_loop_duration",
        _LOOP_BUCKETS,
    ),
    Metric(
        "airwarden_scheduler_critical_section_duration_seconds",
        _HISTOGRAM,
        ("hostname",),
        "How long a scheduler is in the section that only one may be in at a time.",
        "StatsD: scheduler.critical_section_duration",
        _LOOP_BUCKETS,
    ),
    Metric(
        "airwarden_scheduler_critical_section_busy_total",
        _COUNTER,
        ("hostname",),
        "Times that a scheduler found another one in that section.",
        "StatsD: scheduler.critical_section_busy",
    ),
    Metric(
        "airwarden_scheduler_executor_heartbeat_duration_seconds",
        _HISTOGRAM,
        ("hostname",),
        "How long a scheduler's executors take to hand over work and to learn of what ended.",
        "StatsD: scheduler.executor_heartbeat_duration",
        _LOOP_BUCKETS,
    ),
    Metric(
        "airwarden_executor_slots",
        _GAUGE,
        ("executor", "state"),
        "Slots of an executor, of all schedulers together: open, queued, running.",
        "StatsD: executor.open_slots, queued_tasks, running_tasks",
    ),
    Metric(
        "airwarden_orphaned_tasks_total",
        _COUNTER,
        ("action",),
        "Tasks of a scheduler that is gone which another one adopted, or cleared to start again.",
        "StatsD: scheduler.orphaned_tasks",
    ),
    Metric(
        "airwarden_tasks_killed_externally_total",
        _COUNTER,
        (),
        "Tasks that ended without reporting it (the executor says ended, the database says not).",
        "StatsD: scheduler.tasks.killed_externally",
    ),
    Metric(
        "airwarden_celery_publish_failures_total",
        _COUNTER,
        ("kind",),
        "Tasks that the executor could not hand to the broker: each costs a try of its task.",
        "StatsD: celery.task_timeout_error, celery.execute_command.failure",
    ),
    Metric(
        "airwarden_dag_processor_timeouts_total",
        _COUNTER,
        (),
        "DAG files whose parse was ended because it took too long.",
        "StatsD: dag_processing.processor_timeouts",
    ),
    Metric(
        "airwarden_dag_file_queue",
        _GAUGE,
        (),
        "DAG files that wait to be parsed.",
        "StatsD: dag_processing.file_path_queue_size",
    ),
    Metric(
        "airwarden_triggerer_capacity",
        _GAUGE,
        ("hostname",),
        "Triggers that a triggerer may run at once.",
        "StatsD: triggers.running, triggerer.capacity_left",
    ),
    Metric(
        "airwarden_triggers_blocked_main_thread_total",
        _COUNTER,
        ("hostname",),
        "Times that a trigger held up all others of its triggerer.",
        "StatsD: triggers.blocked_main_thread",
    ),
    Metric(
        "airwarden_api_dag_bag_cache_total",
        _COUNTER,
        ("outcome",),
        "Look-ups of DAGs by API servers, by whether they had them: hit, miss.",
        "StatsD: api_server.dag_bag",
    ),
    Metric(
        "airwarden_api_dag_bag_cache_size",
        _GAUGE,
        (),
        "DAGs that API servers keep.",
        "StatsD: api_server.dag_bag.cache_size",
    ),
    Metric(
        "airwarden_statsd_datagrams_total",
        _COUNTER,
        (),
        "Datagrams that the exporter's StatsD listener took.",
        "exporter",
    ),
    Metric(
        "airwarden_statsd_forwarded_total",
        _COUNTER,
        (),
        "Datagrams that it passed on.",
        "exporter",
    ),
    Metric(
        "airwarden_statsd_lost_total",
        _COUNTER,
        ("reason",),
        "Samples that it lost: malformed, no_room (too many between two collects).",
        "exporter",
    ),
)
