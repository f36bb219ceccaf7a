-- age: moves what goes on by the time since the latest heartbeat of a job.
CREATE TEMP TABLE fleet_moved AS
SELECT now() - max(latest_heartbeat) AS by FROM job WHERE state = 'running';
UPDATE job SET latest_heartbeat = latest_heartbeat + by, start_date = start_date + by
FROM fleet_moved WHERE state = 'running';
UPDATE dag SET
  next_dagrun = next_dagrun + by,
  next_dagrun_data_interval_start = next_dagrun_data_interval_start + by,
  next_dagrun_data_interval_end = next_dagrun_data_interval_end + by,
  next_dagrun_create_after = next_dagrun_create_after + by,
  last_parsed_time = last_parsed_time + by
FROM fleet_moved;
UPDATE task_instance AS t SET
  start_date = t.start_date + by, end_date = t.end_date + by, queued_dttm = t.queued_dttm + by,
  scheduled_dttm = t.scheduled_dttm + by, last_heartbeat_at = t.last_heartbeat_at + by,
  updated_at = t.updated_at + by
FROM fleet_moved, dag_run AS r
WHERE r.state IN ('running', 'queued') AND t.dag_id = r.dag_id AND t.run_id = r.run_id;
UPDATE dag_run SET
  queued_at = queued_at + by, start_date = start_date + by, run_after = run_after + by,
  logical_date = logical_date + by, last_scheduling_decision = last_scheduling_decision + by,
  created_at = created_at + by, updated_at = updated_at + by
FROM fleet_moved WHERE state IN ('running', 'queued');
DROP TABLE fleet_moved;
