-- grants: what the observing role needs, and nothing more: SELECT on named tables and columns, never
-- on connections, variables, XComs, users or run configurations; pg_monitor shows other roles' session
-- states.
GRANT pg_monitor TO %(role)s;
GRANT SELECT ON alembic_version, dataset, dataset_event, dag_tag, dag_warning, job, slot_pool TO %(role)s;
GRANT SELECT (dag_id, is_paused, is_active, has_import_errors, owners, fileloc, processor_subdir,
  last_parsed_time, max_active_runs, max_active_tasks, next_dagrun, next_dagrun_create_after,
  next_dagrun_data_interval_end) ON dag TO %(role)s;
GRANT SELECT (id, dag_id, run_id, state, run_type, queued_at, execution_date, start_date, end_date,
  clear_number, data_interval_end, creating_job_id, updated_at, last_scheduling_decision)
  ON dag_run TO %(role)s;
GRANT SELECT (dag_id, run_id, task_id, map_index, state, try_number, max_tries, queue, pool, pool_slots,
  operator, hostname, executor, queued_dttm, start_date, end_date, duration, updated_at, job_id,
  queued_by_job_id, trigger_id) ON task_instance TO %(role)s;
GRANT SELECT (id, dag_id, run_id, task_id, map_index, state, try_number, max_tries, queue, pool, operator,
  hostname, queued_dttm, start_date, end_date, duration, updated_at) ON task_instance_history TO %(role)s;
GRANT SELECT (id, timestamp, filename, processor_subdir) ON import_error TO %(role)s;
GRANT SELECT (id, dttm, dag_id, task_id, run_id, map_index, event, try_number) ON log TO %(role)s;
GRANT SELECT (id, triggerer_id, created_date) ON trigger TO %(role)s;
GRANT SELECT (dag_id, last_updated, dag_hash) ON serialized_dag TO %(role)s;
GRANT SELECT ON task_outlet_dataset_reference, dag_schedule_dataset_reference TO %(role)s;
