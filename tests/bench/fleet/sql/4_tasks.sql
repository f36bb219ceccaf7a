-- tasks: one task instance for each task of each run, the one after the other within the run's time. A
-- failed run failed at one of them, after all its tries; what comes after it is upstream_failed.
CREATE TEMP TABLE fleet_task AS
SELECT
  r.id AS run, k, r.id * 64 + k AS n, r.dag_id, r.state AS run_state, r.queue, r.pool, r.retries, r.version,
  r.start_date + (k - 1) * r.slice AS began, r.slice, r.end_date AS run_end,
  CASE
    WHEN r.state = 'failed' AND k > r.broken THEN 'upstream_failed'
    WHEN r.state = 'failed' AND k = r.broken THEN 'failed'
    WHEN k > 1 AND pg_temp.u(r.id * 64 + k, 21) < 0.015 THEN 'skipped'
    ELSE 'success'
  END AS state,
  CASE
    WHEN r.state = 'failed' AND k > r.broken THEN 0
    WHEN r.state = 'failed' AND k = r.broken THEN r.retries + 1
    WHEN r.retries > 0 AND pg_temp.u(r.id * 64 + k, 22) < 0.02 THEN 2
    ELSE 1
  END AS try_number
FROM (
  SELECT *, (end_date - start_date) / tasks AS slice, 1 + floor(luck * 977)::int % tasks AS broken
  FROM fleet_run WHERE state IN ('success', 'failed')
) AS r
CROSS JOIN LATERAL generate_series(1, r.tasks) AS k;
UPDATE fleet_task SET try_number = 0 WHERE state = 'skipped';
INSERT INTO task_instance (
  id, task_id, dag_id, run_id, map_index, start_date, end_date, duration, state, try_number, max_tries,
  hostname, unixname, pool, pool_slots, queue, priority_weight, operator, queued_dttm, scheduled_dttm,
  queued_by_job_id, last_heartbeat_at, pid, executor_config, updated_at, dag_version_id
)
SELECT
  pg_temp.uid(t.n, 30, t.began), 'task_' || t.k, t.dag_id, d.run_id, -1,
  CASE WHEN t.try_number = 0 THEN t.ended ELSE t.last_began END, t.ended,
  CASE WHEN t.try_number = 0 THEN 0 ELSE extract(epoch FROM t.ended - t.last_began) END,
  t.state, t.try_number, t.retries,
  CASE WHEN t.try_number > 0 THEN 'worker-' || t.n % 100 ELSE '' END, 'airflow', t.pool, 1, t.queue,
  1 + (t.n % 10)::int,
  (ARRAY['PythonOperator', 'BashOperator', 'SparkSubmitOperator', 'SQLExecuteQueryOperator', 'EmptyOperator'])[1 + t.n % 5],
  CASE WHEN t.try_number > 0 THEN t.last_began - (1 + pg_temp.u(t.n, 23)) * t.slice / 100 END,
  CASE WHEN t.try_number > 0 THEN t.last_began - 3 * t.slice / 100 END, 1,
  CASE WHEN t.try_number > 0 THEN t.ended END, (t.n % 30000)::int, '\x80057d942e', t.ended, t.version
FROM (
  SELECT t.*, t.began + (1 - 0.9 / greatest(1, t.try_number)) * t.slice AS last_began,
    CASE WHEN t.state = 'upstream_failed' THEN t.run_end ELSE t.began + t.slice END AS ended
  FROM fleet_task AS t
) AS t
JOIN dag_run AS d ON d.id = t.run
ORDER BY t.run, t.k;
-- Each try before the last one is in the history.
INSERT INTO task_instance_history (
  task_instance_id, task_id, dag_id, run_id, map_index, try_number, start_date, end_date, duration, state,
  max_tries, hostname, unixname, pool, pool_slots, queue, operator, queued_dttm, scheduled_dttm, updated_at,
  executor_config, dag_version_id
)
SELECT
  pg_temp.uid(t.n, 40 + try, t.began), 'task_' || t.k, t.dag_id, d.run_id, -1, try,
  t.began + (try - 0.9) / t.try_number * t.slice, t.began + (try - 0.2) / t.try_number * t.slice,
  0.7 / t.try_number * extract(epoch FROM t.slice), 'failed', t.retries, 'worker-' || t.n % 100, 'airflow',
  t.pool, 1, t.queue, 'PythonOperator', t.began + (try - 0.92) / t.try_number * t.slice,
  t.began + (try - 0.95) / t.try_number * t.slice, t.began + (try - 0.2) / t.try_number * t.slice,
  '\x80057d942e', t.version
FROM fleet_task AS t
JOIN dag_run AS d ON d.id = t.run
CROSS JOIN LATERAL generate_series(1, t.try_number - 1) AS try;
