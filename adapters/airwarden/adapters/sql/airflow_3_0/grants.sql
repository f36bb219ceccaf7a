-- grants: what the observing role needs, and nothing more: SELECT on named tables and columns, never
-- on connections, variables, XComs, users or run configurations; pg_monitor shows other roles' session
-- states.
GRANT pg_monitor TO %(role)s;
GRANT SELECT ON alembic_version, asset, asset_active, asset_event, dag_tag, dag_warning, job, slot_pool TO %(role)s;
GRANT SELECT (dag_id, is_paused, is_stale, has_import_errors, owners, bundle_name, last_parsed_time,
  max_active_runs, max_active_tasks, next_dagrun, next_dagrun_create_after,
  relative_fileloc, bundle_version,
  next_dagrun_data_interval_end) ON dag TO %(role)s;
GRANT SELECT (id, dag_id, run_id, state, run_type, queued_at, logical_date, start_date, end_date, run_after,
  clear_number, data_interval_end, creating_job_id, scheduled_by_job_id, updated_at,
  last_scheduling_decision) ON dag_run TO %(role)s;
GRANT SELECT (id, dag_id, run_id, task_id, map_index, state, try_number, max_tries, queue, pool, pool_slots,
  operator, hostname, executor, queued_dttm, scheduled_dttm, start_date, end_date, duration, updated_at,
  last_heartbeat_at, queued_by_job_id, trigger_id) ON task_instance TO %(role)s;
GRANT SELECT (task_instance_id, dag_id, run_id, task_id, map_index, state, try_number, max_tries, queue,
  pool, operator, hostname, queued_dttm, scheduled_dttm, start_date, end_date, duration, updated_at)
  ON task_instance_history TO %(role)s;
GRANT SELECT (id, timestamp, filename, bundle_name) ON import_error TO %(role)s;
GRANT SELECT (id, dttm, dag_id, task_id, run_id, map_index, event, try_number) ON log TO %(role)s;
GRANT SELECT (id, triggerer_id, created_date) ON trigger TO %(role)s;
GRANT SELECT ON task_outlet_asset_reference, dag_schedule_asset_reference TO %(role)s;
GRANT SELECT (name, active, version, last_refreshed) ON dag_bundle TO %(role)s;
GRANT SELECT (id, dag_id, version_number, created_at) ON dag_version TO %(role)s;
