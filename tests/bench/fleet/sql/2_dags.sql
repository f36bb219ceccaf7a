-- dags: DAGs with versions, tags, assets, pools and jobs.
INSERT INTO dag_bundle (name, active, last_refreshed) SELECT 'dags', true, now FROM fleet_setting;
INSERT INTO dag (
  dag_id, is_paused, is_stale, last_parsed_time, last_parse_duration, fileloc, relative_fileloc,
  bundle_name, owners, dag_display_name, timetable_type, timetable_summary, timetable_periodic,
  partition_mapper_info, max_active_tasks, max_active_runs, max_consecutive_failed_dag_runs,
  has_task_concurrency_limits, has_import_errors, next_dagrun, next_dagrun_data_interval_start,
  next_dagrun_data_interval_end, next_dagrun_create_after
)
SELECT
  d.dag_id, d.paused, d.stale, s.now - pg_temp.u(d.number, 1) * interval '300 s',
  0.05 + pg_temp.u(d.number, 2) * 2, '/dags/' || d.team || '/' || d.dag_id || '.py',
  d.team || '/' || d.dag_id || '.py', 'dags', d.team, d.dag_id,
  CASE d.run_type
    WHEN 'asset_triggered' THEN 'airflow.timetables.simple.AssetTriggeredTimetable'
    WHEN 'manual' THEN 'airflow.timetables.simple.NullTimetable'
    ELSE 'airflow.timetables.interval.CronDataIntervalTimetable'
  END,
  CASE d.run_type WHEN 'scheduled' THEN '0 * * * *' END, d.run_type = 'scheduled',
  '{}', 16, 16, 0, false, d.import_error,
  n.due, n.due, n.due, n.due
FROM fleet_dag AS d
CROSS JOIN fleet_setting AS s
CROSS JOIN LATERAL (
  SELECT CASE WHEN d.run_type = 'scheduled' THEN
    s.now + (0.001 + pg_temp.u(d.number, 3)) * interval '1 day' / d.per_day
  END AS due
) AS n;
INSERT INTO dag_version (id, version_number, dag_id, bundle_name, created_at, last_updated)
SELECT pg_temp.uid(d.number, 1, s.now - interval '60 days'), 1, d.dag_id, 'dags',
  s.now - interval '60 days', s.now - interval '60 days'
FROM fleet_dag AS d, fleet_setting AS s;
-- The bad deploy's version, and the one that took it back.
INSERT INTO dag_version (id, version_number, dag_id, bundle_name, created_at, last_updated)
SELECT pg_temp.uid(d.number, v.number, v.at), v.number, d.dag_id, 'dags', v.at, v.at
FROM fleet_dag AS d
CROSS JOIN fleet_setting AS s
CROSS JOIN LATERAL (VALUES (2, s.deploy_began), (3, s.deploy_ended)) AS v(number, at)
WHERE d.broken_deploy;
INSERT INTO dag_tag (name, dag_id)
SELECT t.name, d.dag_id
FROM fleet_dag AS d
CROSS JOIN LATERAL (
  VALUES ('tier:' || d.tier), ('team:' || d.team), ('type:' || d.type),
    (CASE WHEN d.sla <> '' THEN 'sla:' || d.sla ELSE 'owner_' || d.number % 500 END)
) AS t(name);
INSERT INTO slot_pool (pool, slots, description, include_deferred)
SELECT 'pool_' || lpad(n::text, 2, '0'), greatest(2, (s.factor * (100 + 40 * (n % 5)))::int), '', n % 7 = 0
FROM generate_series(1, 20) AS n, fleet_setting AS s;
INSERT INTO slot_pool (pool, slots, description, include_deferred)
SELECT 'default_pool', greatest(8, (s.factor * 6000)::int), 'Default pool', false FROM fleet_setting AS s
ON CONFLICT (pool) DO UPDATE SET slots = excluded.slots;
INSERT INTO asset (name, uri, "group", extra, created_at, updated_at)
SELECT 'asset_' || d.number, 's3://lake/asset_' || d.number, 'asset', '{}', now, now
FROM fleet_dag AS d, fleet_setting WHERE d.outlet;
INSERT INTO asset_active (name, uri) SELECT name, uri FROM asset;
INSERT INTO task_outlet_asset_reference (asset_id, dag_id, task_id, created_at, updated_at)
SELECT a.id, d.dag_id, 'task_' || d.tasks, s.now, s.now
FROM fleet_dag AS d JOIN asset AS a ON a.name = 'asset_' || d.number, fleet_setting AS s;
INSERT INTO dag_schedule_asset_reference (asset_id, dag_id, created_at, updated_at)
SELECT a.id, d.dag_id, s.now, s.now
FROM (
  SELECT d.*, row_number() OVER (ORDER BY number) AS place FROM fleet_dag AS d
  WHERE run_type = 'asset_triggered'
) AS d
JOIN (SELECT id, row_number() OVER (ORDER BY id) AS place, count(*) OVER () AS assets FROM asset) AS a
  ON a.place = 1 + d.place % a.assets
CROSS JOIN fleet_setting AS s;
INSERT INTO import_error (timestamp, filename, bundle_name, stacktrace)
SELECT s.now, d.team || '/' || d.dag_id || '.py', 'dags', 'ModuleNotFoundError'
FROM fleet_dag AS d, fleet_setting AS s WHERE d.import_error;
INSERT INTO job (state, job_type, start_date, latest_heartbeat, end_date, hostname, unixname)
SELECT j.state, j.type, s.now - j.age, CASE WHEN j.state = 'running' THEN s.now ELSE s.now - j.age / 2 END,
  CASE WHEN j.state <> 'running' THEN s.now - j.age / 2 END, j.host, 'airflow'
FROM fleet_setting AS s
CROSS JOIN (
  SELECT 'success' AS state, 'SchedulerJob' AS type, n * interval '4 hours' AS age, 'scheduler-' || n % 3 AS host
  FROM generate_series(10, 200) AS n
  UNION ALL SELECT 'running', 'SchedulerJob', interval '1 day', 'scheduler-' || n FROM generate_series(0, 2) AS n
  UNION ALL SELECT 'running', 'TriggererJob', interval '1 day', 'triggerer-' || n FROM generate_series(0, 1) AS n
  UNION ALL SELECT 'running', 'DagProcessorJob', interval '1 day', 'dag-processor-0'
) AS j;
