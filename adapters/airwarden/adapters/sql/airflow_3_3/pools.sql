-- pools: slots of each pool, counted as Airflow's scheduler does (Pool.slots_stats): by the slots that
-- a task takes. Cost: the live task instances, by the index on state.
WITH used AS (
  SELECT pool, state, sum(pool_slots)::bigint AS slots
  FROM task_instance
  WHERE state IN ('running', 'queued', 'scheduled', 'deferred')
  GROUP BY pool, state
), counted AS (
  SELECT
    p.pool AS name,
    p.slots,
    p.include_deferred,
    coalesce(sum(u.slots) FILTER (WHERE u.state = 'running'), 0)::bigint AS running,
    coalesce(sum(u.slots) FILTER (WHERE u.state = 'queued'), 0)::bigint AS queued,
    coalesce(sum(u.slots) FILTER (WHERE u.state = 'scheduled'), 0)::bigint AS scheduled,
    coalesce(sum(u.slots) FILTER (WHERE u.state = 'deferred'), 0)::bigint AS deferred
  FROM slot_pool AS p
  LEFT JOIN used AS u USING (pool)
  GROUP BY p.pool, p.slots, p.include_deferred
)
SELECT
  name,
  slots,
  include_deferred,
  running,
  queued,
  scheduled,
  deferred,
  CASE
    WHEN slots < 0 THEN -1
    ELSE slots - running - queued - CASE WHEN include_deferred THEN deferred ELSE 0 END
  END AS open
FROM counted
ORDER BY name;
