-- live: the tasks of open runs. A running run has ended some tasks, and the ones after those are live;
-- how many are in each live state is exact. The rest have no state yet.
CREATE TEMP TABLE fleet_live AS
WITH task AS (
  SELECT r.id AS run, k, r.id * 64 + k AS n, r.state AS run_state, r.start_date, r.dag_id, r.queue, r.pool,
    r.retries, r.version, floor(r.luck * r.luck * r.tasks)::int AS done
  FROM fleet_run AS r
  CROSS JOIN LATERAL generate_series(1, r.tasks) AS k
  WHERE r.state IN ('running', 'queued')
), ranked AS (
  SELECT *,
    CASE WHEN run_state = 'running' AND k > done THEN
      row_number() OVER (PARTITION BY run_state = 'running' AND k > done ORDER BY k - done, pg_temp.u(n, 24))
    END AS place
  FROM task
), state AS (
  SELECT state, coalesce(sum(instances) OVER (ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS above,
    sum(instances) OVER (ORDER BY place) AS upto
  FROM fleet_live_state
)
SELECT t.*, CASE WHEN t.run_state = 'running' AND t.k <= t.done THEN 'success' ELSE s.state END AS state,
  nextval('trigger_id_seq') AS trigger
FROM ranked AS t
LEFT JOIN state AS s ON t.place > s.above AND t.place <= s.upto;
INSERT INTO trigger (id, classpath, kwargs, created_date, triggerer_id)
SELECT l.trigger, 'airflow.providers.standard.triggers.temporal.TimeDeltaTrigger', '{}', s.now,
  (SELECT id FROM job WHERE job_type = 'TriggererJob' ORDER BY id LIMIT 1)
FROM fleet_live AS l, fleet_setting AS s WHERE l.state = 'deferred';
INSERT INTO task_instance (
  id, task_id, dag_id, run_id, map_index, start_date, end_date, duration, state, try_number, max_tries,
  hostname, unixname, pool, pool_slots, queue, priority_weight, operator, queued_dttm, scheduled_dttm,
  queued_by_job_id, last_heartbeat_at, pid, executor_config, updated_at, dag_version_id, trigger_id
)
SELECT
  pg_temp.uid(l.n, 30, l.start_date), 'task_' || l.k, l.dag_id, d.run_id, -1,
  CASE WHEN l.state IN ('success', 'running', 'deferred', 'up_for_retry', 'up_for_reschedule') THEN b.began END,
  CASE WHEN l.state IN ('success', 'up_for_retry') THEN b.began + interval '0.5 s' END,
  CASE WHEN l.state IN ('success', 'up_for_retry') THEN 0.5 END,
  l.state, CASE WHEN l.state IS NULL THEN 0 ELSE 1 END, l.retries,
  CASE WHEN l.state IN ('success', 'running') THEN 'worker-' || l.n % 100 ELSE '' END, 'airflow', l.pool, 1,
  l.queue, 1 + (l.n % 10)::int, 'PythonOperator',
  CASE WHEN l.state = 'queued' THEN s.now - pg_temp.u(l.n, 25) * interval '90 s'
    WHEN l.state IS DISTINCT FROM 'scheduled' AND l.state IS NOT NULL THEN b.began - interval '0.2 s' END,
  CASE WHEN l.state IN ('queued', 'scheduled') THEN s.now - (pg_temp.u(l.n, 25) * 90 + 2) * interval '1 s'
    WHEN l.state IS NOT NULL THEN b.began - interval '0.4 s' END, 1,
  CASE WHEN l.state = 'running' THEN s.now - pg_temp.u(l.n, 26) * interval '5 s' END, (l.n % 30000)::int,
  '\x80057d942e', s.now - pg_temp.u(l.n, 26) * interval '5 s', l.version,
  CASE WHEN l.state = 'deferred' THEN l.trigger END
FROM fleet_live AS l
JOIN dag_run AS d ON d.id = l.run
CROSS JOIN fleet_setting AS s
CROSS JOIN LATERAL (
  SELECT l.start_date + least(1, pg_temp.u(l.n, 27) + 0.05) * (s.now - l.start_date) * 0.8 AS began
) AS b
ORDER BY l.run, l.k;
-- What is missing to the exact number are the mapped tasks of a few wide runs.
INSERT INTO task_instance (
  id, task_id, dag_id, run_id, map_index, start_date, end_date, duration, state, try_number, max_tries,
  hostname, unixname, pool, pool_slots, queue, priority_weight, operator, queued_dttm, scheduled_dttm,
  last_heartbeat_at, pid, executor_config, updated_at, dag_version_id
)
SELECT
  pg_temp.uid(r.id * 4096 + i, 31, r.start_date), 'task_mapped', r.dag_id, d.run_id, i::int, r.start_date,
  r.end_date, extract(epoch FROM r.end_date - r.start_date), 'success', 1, r.retries, 'worker-' || i % 100,
  'airflow', r.pool, 1, r.queue, 1, 'PythonOperator', r.start_date - interval '1 s',
  r.start_date - interval '2 s', r.end_date, 1, '\x80057d942e', r.end_date, r.version
FROM (
  SELECT r.*, row_number() OVER (ORDER BY pg_temp.u(r.id, 28)) AS place
  FROM fleet_run AS r WHERE r.state = 'success'
) AS r
JOIN dag_run AS d USING (id)
CROSS JOIN (
  SELECT s.tasks - (SELECT count(*) FROM task_instance) AS missing FROM fleet_setting AS s
) AS m
CROSS JOIN LATERAL generate_series(0, 299) AS i
WHERE m.missing > 0 AND (r.place - 1) * 300 + i < m.missing;
