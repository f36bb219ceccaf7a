"""Which metrics each collector gives, so that one whose metrics are all mapped need not run.

A test compares it with what the collectors' sources name.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Collector → metrics; one that has no entry is always run.
EMITTED: Mapping[str, frozenset[str]] = {
    "api_server": frozenset(
        {
            "airwarden_component_up",
        }
    ),
    "assets": frozenset(
        {
            "airwarden_asset_freshness_sla_seconds",
            "airwarden_asset_last_update_timestamp_seconds",
            "airwarden_sla_at_risk",
            "airwarden_sla_breaches_total",
        }
    ),
    "broker": frozenset(
        {
            "airwarden_broker_connected_clients",
            "airwarden_broker_evicted_keys_total",
            "airwarden_broker_memory_max_bytes",
            "airwarden_broker_memory_used_bytes",
            "airwarden_broker_rejected_connections_total",
            "airwarden_broker_up",
            "airwarden_celery_oldest_message_age_seconds",
            "airwarden_celery_queue_messages",
            "airwarden_celery_unacked_messages",
        }
    ),
    "canaries": frozenset(
        {
            "airwarden_canary_interval_seconds",
            "airwarden_canary_last_success_timestamp_seconds",
            "airwarden_canary_run_duration_seconds",
        }
    ),
    "celery_tasks": frozenset(
        {
            "airwarden_celery_queue_drift_tasks",
            "airwarden_tasks_stuck",
        }
    ),
    "consistency": frozenset(
        {
            "airwarden_consistency_problems",
        }
    ),
    "dag_health": frozenset(
        {
            "airwarden_dag_consecutive_failures",
            "airwarden_dag_last_success_timestamp_seconds",
        }
    ),
    "dag_runs": frozenset(
        {
            "airwarden_dag_run_duration_seconds",
            "airwarden_dag_run_schedule_delay_seconds",
            "airwarden_dag_runs",
            "airwarden_dag_runs_finished_total",
            "airwarden_task_attempts",
            "airwarden_task_duration_seconds",
            "airwarden_task_instances_finished_total",
            "airwarden_task_instances_started_total",
            "airwarden_task_queue_wait_seconds",
            "airwarden_task_schedule_wait_seconds",
        }
    ),
    "dags": frozenset(
        {
            "airwarden_dags",
            "airwarden_dags_unowned",
        }
    ),
    "database": frozenset(
        {
            "airwarden_db_connection_utilization_ratio",
            "airwarden_db_connections",
            "airwarden_db_connections_max",
            "airwarden_db_idle_in_transaction_age_seconds",
            "airwarden_db_probe_duration_seconds",
            "airwarden_db_probe_last_seconds",
            "airwarden_db_scheduler_lock_held_seconds",
            "airwarden_db_up",
        }
    ),
    "database_activity": frozenset(
        {
            "airwarden_db_blocked_sessions",
            "airwarden_db_blocks_total",
            "airwarden_db_cache_hit_ratio",
            "airwarden_db_conflicts_total",
            "airwarden_db_deadlocks_total",
            "airwarden_db_locks",
            "airwarden_db_locks_max",
            "airwarden_db_oldest_transaction_age_seconds",
            "airwarden_db_replication_lag_seconds",
            "airwarden_db_slot_retained_bytes",
            "airwarden_db_temp_bytes_total",
            "airwarden_db_transactions_total",
            "airwarden_db_tuples_total",
            "airwarden_db_xid_age",
        }
    ),
    "database_statements": frozenset(
        {
            "airwarden_db_statement_calls_total",
            "airwarden_db_statement_seconds_total",
        }
    ),
    "database_tables": frozenset(
        {
            "airwarden_db_table_bytes",
            "airwarden_db_table_dead_tuples",
            "airwarden_db_table_last_autovacuum_timestamp_seconds",
            "airwarden_db_table_live_tuples",
            "airwarden_db_table_xid_age",
        }
    ),
    "deadlines": frozenset(
        {
            "airwarden_sla_at_risk",
            "airwarden_sla_breaches_total",
        }
    ),
    "dependencies": frozenset(
        {
            "airwarden_dependency_up",
        }
    ),
    "deployments": frozenset(
        {
            "airwarden_dag_version_last_change_timestamp_seconds",
            "airwarden_dag_versions_total",
        }
    ),
    "heartbeats": frozenset(
        {
            "airwarden_component_heartbeat_timestamp_seconds",
            "airwarden_component_up",
        }
    ),
    "host": frozenset(
        {
            "airwarden_host_process_start_timestamp_seconds",
            "airwarden_host_process_up",
            "airwarden_host_processes",
        }
    ),
    "kubernetes_pods": frozenset(
        {
            "airwarden_pod_evictions_total",
            "airwarden_pod_oom_kills_total",
            "airwarden_pod_pending_oldest_age_seconds",
            "airwarden_pod_restarts_total",
            "airwarden_pod_start_seconds",
            "airwarden_pod_terminations_total",
            "airwarden_pods",
            "airwarden_pods_waiting",
        }
    ),
    "kubernetes_workloads": frozenset(
        {
            "airwarden_k8s_api_requests_total",
            "airwarden_quota_limit",
            "airwarden_quota_used",
            "airwarden_scaler_replicas",
            "airwarden_workload_replicas",
            "airwarden_workload_rolling",
        }
    ),
    "late_runs": frozenset(
        {
            "airwarden_dag_run_oldest_age_seconds",
            "airwarden_dag_runs_never_created_total",
            "airwarden_dag_runs_overdue",
        }
    ),
    "machine": frozenset(
        {
            "airwarden_cluster_utilization_ratio",
            "airwarden_network_bytes_total",
            "airwarden_network_errors_total",
        }
    ),
    "mariadb": frozenset(
        {
            "airwarden_mariadb_aborted_connections_total",
            "airwarden_mariadb_connection_utilization_ratio",
            "airwarden_mariadb_connections",
            "airwarden_mariadb_connections_max",
            "airwarden_mariadb_deadlocks_total",
            "airwarden_mariadb_oldest_transaction_age_seconds",
            "airwarden_mariadb_pages_total",
            "airwarden_mariadb_queries_total",
            "airwarden_mariadb_replicating",
            "airwarden_mariadb_replication_lag_seconds",
            "airwarden_mariadb_row_lock_waits",
            "airwarden_mariadb_slow_queries_total",
            "airwarden_mariadb_up",
        }
    ),
    "parsing": frozenset(
        {
            "airwarden_dag_bundle_last_refresh_timestamp_seconds",
            "airwarden_dag_file_oldest_parse_age_seconds",
            "airwarden_dag_files",
            "airwarden_dag_import_errors",
            "airwarden_dag_parse_total_seconds",
            "airwarden_dag_warnings",
            "airwarden_dags_behind_bundle",
            "airwarden_dags_unserialized",
        }
    ),
    "pooler": frozenset(
        {
            "airwarden_pgbouncer_client_active_connections",
            "airwarden_pgbouncer_client_waiting_connections",
            "airwarden_pgbouncer_maxwait_seconds",
            "airwarden_pgbouncer_server_connections",
            "airwarden_pgbouncer_up",
        }
    ),
    "pools": frozenset(
        {
            "airwarden_pool_slots",
            "airwarden_pool_starving_tasks",
        }
    ),
    "queries": frozenset(
        {
            "airwarden_db_query_rows_total",
            "airwarden_db_query_seconds_total",
        }
    ),
    "scheduler_lag": frozenset(
        {
            "airwarden_scheduler_lag_seconds",
        }
    ),
    "statsd": frozenset(
        {
            "airwarden_api_dag_bag_cache_size",
            "airwarden_api_dag_bag_cache_total",
            "airwarden_celery_publish_failures_total",
            "airwarden_dag_file_queue",
            "airwarden_dag_processor_timeouts_total",
            "airwarden_executor_slots",
            "airwarden_orphaned_tasks_total",
            "airwarden_scheduler_critical_section_busy_total",
            "airwarden_scheduler_critical_section_duration_seconds",
            "airwarden_scheduler_executor_heartbeat_duration_seconds",
            "airwarden_scheduler_loop_duration_seconds",
            "airwarden_statsd_datagrams_total",
            "airwarden_statsd_forwarded_total",
            "airwarden_statsd_lost_total",
            "airwarden_tasks_killed_externally_total",
            "airwarden_triggerer_capacity",
            "airwarden_triggers_blocked_main_thread_total",
        }
    ),
    "task_events": frozenset(
        {
            "airwarden_operator_failures_total",
            "airwarden_task_heartbeat_timeouts_total",
            "airwarden_task_retries_total",
        }
    ),
    "task_failures": frozenset(
        {
            "airwarden_connection_failures_total",
            "airwarden_failure_reports_total",
            "airwarden_log_tails_total",
            "airwarden_task_failures_by_evidence_total",
            "airwarden_task_failures_known_ratio",
            "airwarden_task_failures_total",
            "airwarden_task_failures_undecided",
        }
    ),
    "task_instances": frozenset(
        {
            "airwarden_task_instances",
        }
    ),
    "triggers": frozenset(
        {
            "airwarden_trigger_oldest_waiting_age_seconds",
            "airwarden_triggers",
            "airwarden_triggers_waiting",
        }
    ),
    "waiting": frozenset(
        {
            "airwarden_task_blocked",
            "airwarden_task_heartbeat_oldest_age_seconds",
            "airwarden_task_oldest_age_seconds",
            "airwarden_tasks_stuck",
        }
    ),
    "workers": frozenset(
        {
            "airwarden_celery_queue_consumers",
            "airwarden_celery_worker_concurrency",
            "airwarden_celery_worker_heartbeat_timestamp_seconds",
            "airwarden_celery_worker_queues",
            "airwarden_celery_worker_slot_utilization_ratio",
            "airwarden_celery_worker_tasks_active",
            "airwarden_celery_worker_tasks_reserved",
            "airwarden_celery_worker_up",
            "airwarden_cluster_utilization_ratio",
        }
    ),
}
