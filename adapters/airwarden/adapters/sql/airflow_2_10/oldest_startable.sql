-- oldest_startable: for how many seconds the oldest scheduled task has waited that no limit holds back: its DAG
-- is not paused, its pool has the slots that it takes (the open ones of each pool are given, NULL without limit),
-- and its run is below the DAG's max_active_tasks; NULL where there is none. Asked only where a task has waited
-- for long. Cost: the scheduled, queued and running task instances, by the index on state, and their DAGs.
WITH executing AS MATERIALIZED (
  SELECT dag_id, run_id, count(*) AS tasks
  FROM task_instance
  WHERE state IN ('running', 'queued')
  GROUP BY dag_id, run_id
)
SELECT extract(epoch FROM now() - min(t.updated_at))::float8 AS age
FROM task_instance AS t
JOIN dag AS d ON d.dag_id = t.dag_id
JOIN unnest(%(pools)s::text[], %(open)s::int[]) AS p(pool, open) ON p.pool = t.pool
LEFT JOIN executing AS e ON e.dag_id = t.dag_id AND e.run_id = t.run_id
WHERE t.state = 'scheduled'
  AND NOT d.is_paused
  AND (p.open IS NULL OR t.pool_slots <= p.open)
  AND coalesce(e.tasks, 0) < d.max_active_tasks;
