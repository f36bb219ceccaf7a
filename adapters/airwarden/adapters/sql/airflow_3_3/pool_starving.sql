-- pool_starving: scheduled tasks, by pool, that take more slots than their pool has open; what paused
-- DAGs hold back waits for nobody and is left out. Airflow's own gauge reads 0 with tasks waiting.
-- Cost: the live task instances, by the index on state, and the DAGs of the scheduled ones.
WITH live AS MATERIALIZED (
  SELECT
    t.pool,
    t.state,
    t.pool_slots,
    t.state = 'scheduled' AND coalesce(
      (SELECT d.is_paused FROM dag AS d WHERE d.dag_id = t.dag_id AND t.state = 'scheduled'), false
    ) AS paused,
    count(*) AS tasks
  FROM task_instance AS t
  WHERE t.state IN ('running', 'queued', 'scheduled', 'deferred')
  GROUP BY 1, 2, 3, 4
), room AS (
  SELECT
    p.pool,
    p.slots,
    p.slots - coalesce(
      sum(l.pool_slots * l.tasks) FILTER (
        WHERE l.state IN ('running', 'queued') OR (l.state = 'deferred' AND p.include_deferred)
      ), 0
    ) AS open
  FROM slot_pool AS p
  LEFT JOIN live AS l USING (pool)
  GROUP BY p.pool, p.slots, p.include_deferred
)
SELECT
  r.pool,
  coalesce(
    sum(l.tasks) FILTER (
      WHERE l.state = 'scheduled' AND NOT l.paused AND r.slots >= 0 AND l.pool_slots > r.open
    ), 0
  )::int AS starving
FROM room AS r
LEFT JOIN live AS l USING (pool)
GROUP BY r.pool
ORDER BY r.pool;
