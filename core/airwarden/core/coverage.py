"""What is not measured where a source is missing: without a metadata database, and on older Airflows.

`airwarden doctor` says it of an installation, `docs/reference/airflow-versions.md` of every release; a test
compares the first list with what is really measured over REST.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from airwarden.core.metrics import CATALOGUE

#: Measured over REST alone, with the same meaning.
OVER_REST = frozenset(
    {
        "airwarden_asset_freshness_sla_seconds",
        "airwarden_asset_last_update_timestamp_seconds",
        "airwarden_canary_interval_seconds",
        "airwarden_canary_last_success_timestamp_seconds",
        "airwarden_canary_run_duration_seconds",
        "airwarden_component_heartbeat_timestamp_seconds",
        "airwarden_component_up",
        "airwarden_connection_failures_total",
        "airwarden_dag_import_errors",
        "airwarden_dag_run_duration_seconds",
        "airwarden_dag_run_oldest_age_seconds",
        "airwarden_dag_run_schedule_delay_seconds",
        "airwarden_dag_runs",
        "airwarden_dag_runs_finished_total",
        "airwarden_dag_warnings",
        "airwarden_dags",
        "airwarden_dags_unowned",
        "airwarden_failure_reports_total",
        "airwarden_log_tails_total",
        "airwarden_pool_slots",
        "airwarden_pool_starving_tasks",
        "airwarden_sla_at_risk",
        "airwarden_sla_breaches_total",
        "airwarden_task_attempts",
        "airwarden_task_duration_seconds",
        "airwarden_task_failures_by_evidence_total",
        "airwarden_task_failures_total",
        "airwarden_task_failures_undecided",
        "airwarden_task_instances",
        "airwarden_task_instances_finished_total",
        "airwarden_task_instances_started_total",
        "airwarden_task_oldest_age_seconds",
        "airwarden_task_queue_wait_seconds",
        "airwarden_task_schedule_wait_seconds",
    }
)
#: Of these a part is missing over REST, or they are less exact.
IN_PART_OVER_REST: Mapping[str, str] = MappingProxyType(
    {
        "airwarden_task_failures_total": "without attempts that are retried within ten seconds of failing",
        "airwarden_pool_starving_tasks": "scheduled tasks of full pools, whatever number of slots they take",
        "airwarden_task_oldest_age_seconds": "without deferred tasks",
        "airwarden_sla_breaches_total": "of assets, not of deadlines",
        "airwarden_sla_at_risk": "of assets, not of deadlines",
    }
)
_DATABASE = ("metadata database", "PostgreSQL")
#: Without a metadata database nobody measures these.
LOST_WITHOUT_DATABASE = (
    frozenset(
        name
        for name, metric in CATALOGUE.items()
        if metric.source.startswith(_DATABASE) or name.startswith("airwarden_db_")
    )
    - OVER_REST
)
_BEFORE_3_1 = {
    "airwarden_dag_parse_total_seconds": "no parse times are kept",
}
_NO_DEADLINES = {
    "airwarden_sla_breaches_total": "of assets only: there are no deadlines",
    "airwarden_sla_at_risk": "of assets only: there are no deadlines",
    "airwarden_dag_runs_overdue": "without kind=deadline: there are no deadlines",
}
#: Generation of the schema → metric that it does not give, or only in part → why.
LACKING: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "airflow_2_10": {
            **_BEFORE_3_1,
            **_NO_DEADLINES,
            "airwarden_dag_bundle_last_refresh_timestamp_seconds": "there are no bundles",
            "airwarden_dags_behind_bundle": "there are no bundles",
            "airwarden_dag_versions_total": "kind=changed only: one version of a DAG is kept",
            "airwarden_task_schedule_wait_seconds": "when a task was scheduled is not kept",
        },
        "airflow_3_0": {**_BEFORE_3_1, **_NO_DEADLINES},
        "airflow_3_1": {
            "airwarden_triggers_waiting": "queue=default only: triggers have no queues"
        },
        "airflow_3_3": {},
    }
)
