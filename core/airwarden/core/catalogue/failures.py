"""Why task attempts fail, and whether the whole way of a task works."""

from __future__ import annotations

from airwarden.core.catalogue.types import Metric, MetricType

_COUNTER, _GAUGE = MetricType.COUNTER, MetricType.GAUGE
_ATTEMPTS = "failed attempts (metadata database: audit log; REST without one), listener reports, ends of logs"
_CANARY = "metadata database: runs of the canary DAGs; REST without one"

METRICS = (
    Metric(
        "airwarden_task_failures_total",
        _COUNTER,
        ("cause", "tier", "team"),
        "Failed task attempts, each once under its one cause: infrastructure, dependency, dag_code, data,"
        " unknown. An attempt is counted when its evidence is there, at the latest after"
        " `exporter.failures.wait`.",
        _ATTEMPTS,
    ),
    Metric(
        "airwarden_task_failures_by_evidence_total",
        _COUNTER,
        ("evidence",),
        "The same attempts by what told their cause: audit_log, listener, log, sample (the log of another"
        " attempt of the same task), dependency (what the DAG declares by `depends:NAME` was down), none.",
        _ATTEMPTS,
    ),
    Metric(
        "airwarden_connection_failures_total",
        _COUNTER,
        ("connection",),
        "Failed attempts with the cause dependency in whose traceback or task an Airflow connection stands,"
        " by its id; connections beyond the first fifty are other.",
        _ATTEMPTS,
    ),
    Metric(
        "airwarden_task_failures_undecided",
        _GAUGE,
        (),
        "Failed attempts that wait for their evidence.",
        _ATTEMPTS,
    ),
    Metric(
        "airwarden_task_failures_known_ratio",
        _GAUGE,
        (),
        "Share of the failed attempts of the last hour (the latest 2,000 at most) whose cause is not"
        " unknown; absent when none failed.",
        _ATTEMPTS,
    ),
    Metric(
        "airwarden_failure_reports_total",
        _COUNTER,
        ("outcome",),
        "Reports of the listener on Airflow's side: accepted; dropped, of those, because no failed attempt"
        " was found for them in 15 minutes.",
        "listener",
    ),
    Metric(
        "airwarden_log_tails_total",
        _COUNTER,
        ("outcome",),
        "Logs of failed attempts that were asked for: read, too_long (over `exporter.failures.log_bytes`),"
        " missing, failed.",
        "REST",
    ),
    Metric(
        "airwarden_canary_run_duration_seconds",
        _GAUGE,
        ("queue",),
        "How long after it was due a queue's canary ended, the last time it ended well: the whole way"
        " through scheduler, executor, broker, worker and back.",
        _CANARY,
    ),
    Metric(
        "airwarden_canary_last_success_timestamp_seconds",
        _GAUGE,
        ("queue",),
        "When a queue's canary last ended well, as Unix time; 0 if no success of it is known. Absent while"
        " it is paused.",
        _CANARY,
    ),
    Metric(
        "airwarden_canary_interval_seconds",
        _GAUGE,
        ("queue",),
        "The pause between two runs of a queue's canary.",
        "tags of the canary DAGs",
    ),
)
