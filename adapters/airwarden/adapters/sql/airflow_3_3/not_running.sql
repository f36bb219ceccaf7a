-- not_running: why tasks are not queued, by the first reason that holds, and how many of each have been
-- scheduled for longer than a limit. The limits are those of Airflow's scheduler: slots of the pool (the open
-- ones of each pool are given, NULL without limit), max_active_tasks of the run, max_active_runs of the DAG, and
-- parallelism (whether all of it is taken is given). Tasks that no scheduler has looked at (state NULL) are a
-- sample of 5,000, since a large run has thousands. Runs go by a hash of their two names: to join by those
-- means to sort them. Cost: the scheduled, queued and running task instances, by
-- the index on state; the open runs, by their partial indexes; and the DAGs of the scheduled ones and of the
-- sample.
WITH executing AS MATERIALIZED (
  SELECT hashtextextended(run_id, hashtextextended(dag_id, 0)) AS run, count(*) AS tasks
  FROM task_instance
  WHERE state IN ('running', 'queued')
  GROUP BY run
), untouched AS MATERIALIZED (
  SELECT hashtextextended(run_id, hashtextextended(dag_id, 0)) AS run, count(*) AS tasks
  FROM (SELECT dag_id, run_id FROM task_instance WHERE state IS NULL LIMIT 5000) AS s
  GROUP BY run
), open_runs AS MATERIALIZED (
  SELECT dag_id, state, hashtextextended(run_id, hashtextextended(dag_id, 0)) AS run
  FROM dag_run WHERE state = 'running' OR state = 'queued'
), matched AS MATERIALIZED (
  SELECT r.dag_id, r.state, t.tasks FROM untouched AS t JOIN open_runs AS r USING (run)
), explained AS (
  SELECT
    CASE
      WHEN coalesce(d.is_paused, false) THEN 'paused'
      WHEN p.pool IS NULL OR l.pool_slots > p.open THEN 'pool'
      WHEN e.tasks >= d.max_active_tasks THEN 'max_active_tasks'
      WHEN %(full)s THEN 'parallelism'
      ELSE 'unknown'
    END AS reason,
    1 AS tasks,
    l.scheduled_dttm < now() - make_interval(secs => %(limit)s) AS long
  FROM task_instance AS l
  LEFT JOIN dag AS d ON d.dag_id = l.dag_id
  LEFT JOIN unnest(%(pools)s::text[], %(open)s::int[]) AS p(pool, open) ON p.pool = l.pool
  LEFT JOIN executing AS e ON e.run = hashtextextended(l.run_id, hashtextextended(l.dag_id, 0))
  WHERE l.state = 'scheduled'
  UNION ALL
  SELECT
    CASE
      WHEN d.is_paused THEN 'paused'
      WHEN r.state = 'running' THEN 'upstream'
      WHEN (
        SELECT count(*) FROM dag_run AS o WHERE o.state = 'running' AND o.dag_id = r.dag_id
      ) >= coalesce(d.max_active_runs, 16) THEN 'max_active_runs'
      ELSE 'unknown'
    END,
    r.tasks,
    false
  FROM matched AS r
  CROSS JOIN LATERAL (
    SELECT is_paused, max_active_runs FROM dag WHERE dag_id = r.dag_id OFFSET 0
  ) AS d
)
SELECT reason, sum(tasks)::int AS tasks, (count(*) FILTER (WHERE long))::int AS long
FROM explained
GROUP BY reason;
