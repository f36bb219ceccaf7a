-- not_running: why unfinished tasks do not run, by the first reason that holds, and how many of each
-- have been scheduled for longer than a limit. The limits are those of Airflow's scheduler: slots of the
-- pool, max_active_tasks of the run, max_active_runs of the DAG, and parallelism, where it is given.
-- Tasks that no scheduler has looked at (state NULL) are a sample of 5,000, since a large run has
-- thousands. Cost: the live task instances, by the index on state, the DAGs and the open runs.
WITH live AS MATERIALIZED (
  SELECT dag_id, run_id, pool, state, pool_slots, scheduled_dttm
  FROM task_instance
  WHERE state IN ('running', 'queued', 'scheduled', 'deferred', 'up_for_retry')
), room AS MATERIALIZED (
  SELECT
    p.pool,
    p.slots < 0 AS endless,
    p.slots - coalesce(
      sum(l.pool_slots) FILTER (
        WHERE l.state IN ('running', 'queued') OR (l.state = 'deferred' AND p.include_deferred)
      ), 0
    ) AS open
  FROM slot_pool AS p
  LEFT JOIN live AS l USING (pool)
  GROUP BY p.pool, p.slots, p.include_deferred
), executing AS MATERIALIZED (
  SELECT dag_id, run_id, count(*) AS tasks
  FROM live
  WHERE state IN ('running', 'queued')
  GROUP BY dag_id, run_id
), open_runs AS MATERIALIZED (
  SELECT dag_id, run_id, state FROM dag_run WHERE state = 'running'
  UNION ALL
  SELECT dag_id, run_id, state FROM dag_run WHERE state = 'queued'
), running AS MATERIALIZED (
  SELECT dag_id, count(*) AS runs FROM open_runs WHERE state = 'running' GROUP BY dag_id
), untouched AS MATERIALIZED (
  SELECT dag_id, run_id, count(*) AS tasks
  FROM (SELECT dag_id, run_id FROM task_instance WHERE state IS NULL LIMIT 5000) AS s
  GROUP BY dag_id, run_id
), explained AS (
  SELECT
    CASE
      WHEN coalesce(d.is_paused, false) THEN 'paused'
      WHEN p.pool IS NULL OR (NOT p.endless AND l.pool_slots > p.open) THEN 'pool'
      WHEN e.tasks >= d.max_active_tasks THEN 'max_active_tasks'
      WHEN (SELECT sum(tasks) FROM executing) >= %(parallelism)s::int THEN 'parallelism'
      ELSE 'unknown'
    END AS reason,
    1 AS tasks,
    l.scheduled_dttm < now() - make_interval(secs => %(limit)s) AS long
  FROM live AS l
  LEFT JOIN LATERAL (
    SELECT is_paused, max_active_tasks FROM dag AS x WHERE x.dag_id = l.dag_id LIMIT 1
  ) AS d ON true
  LEFT JOIN room AS p ON p.pool = l.pool
  LEFT JOIN executing AS e ON e.dag_id = l.dag_id AND e.run_id = l.run_id
  WHERE l.state = 'scheduled'
  UNION ALL
  SELECT CASE state WHEN 'queued' THEN 'executor_slots' ELSE 'retry_delay' END, 1, false
  FROM live
  WHERE state IN ('queued', 'up_for_retry')
  UNION ALL
  SELECT
    CASE
      WHEN d.is_paused THEN 'paused'
      WHEN o.state = 'running' THEN 'upstream'
      WHEN coalesce(u.runs, 0) >= coalesce(d.max_active_runs, 16) THEN 'max_active_runs'
      ELSE 'unknown'
    END,
    t.tasks,
    false
  FROM untouched AS t
  JOIN open_runs AS o USING (dag_id, run_id)
  JOIN dag AS d USING (dag_id)
  LEFT JOIN running AS u USING (dag_id)
)
SELECT reason, sum(tasks)::int AS tasks, (count(*) FILTER (WHERE long))::int AS long
FROM explained
GROUP BY reason;
