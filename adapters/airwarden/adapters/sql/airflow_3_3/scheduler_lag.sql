-- scheduler_lag: three lags in seconds, each NULL when nothing is late, and when a task was last queued
-- (Unix time). Only what the scheduler could do now and has not done counts: runs of paused, stale and
-- broken DAGs, DAGs at their limit of active runs, backfills, tasks of paused DAGs, and tasks of pools
-- without room are left out. What a paused DAG has running or queued still takes slots.
-- Cost: the DAGs that are due, the queued runs and the live task instances, by their indexes; a DAG is
-- looked up only for what waits.
WITH queued AS MATERIALIZED (
  SELECT r.dag_id, greatest(r.queued_at, r.run_after) AS since, a.max_active_runs
  FROM dag_run AS r
  JOIN dag AS a USING (dag_id)
  WHERE r.state = 'queued'
    AND r.run_type <> 'backfill'
    AND greatest(r.queued_at, r.run_after) < now()
    AND NOT a.is_paused AND NOT a.is_stale AND NOT coalesce(a.has_import_errors, false)
), used AS MATERIALIZED (
  SELECT pool, sum(pool_slots) AS slots, max(queued_dttm) AS queued
  FROM task_instance
  WHERE state IN ('running', 'queued')
  GROUP BY pool
), scheduled AS MATERIALIZED (
  SELECT t.pool, min(t.scheduled_dttm) AS oldest
  FROM task_instance AS t
  WHERE t.state = 'scheduled'
    AND NOT coalesce((SELECT d.is_paused FROM dag AS d WHERE d.dag_id = t.dag_id), true)
  GROUP BY t.pool
)
SELECT
  extract(epoch FROM now())::float8 AS now,
  (
    SELECT extract(epoch FROM now() - min(a.next_dagrun_create_after))::float8
    FROM dag AS a
    WHERE a.next_dagrun_create_after < now() AND NOT a.exceeds_max_non_backfill
      AND NOT a.is_paused AND NOT a.is_stale AND NOT coalesce(a.has_import_errors, false)
  ) AS not_created,
  (
    SELECT extract(epoch FROM now() - min(q.since))::float8
    FROM queued AS q
    WHERE (
      SELECT count(*) FROM dag_run AS r WHERE r.state = 'running' AND r.dag_id = q.dag_id
    ) < coalesce(q.max_active_runs, 16)
  ) AS not_started,
  (
    SELECT extract(epoch FROM now() - min(s.oldest))::float8
    FROM scheduled AS s
    JOIN slot_pool AS p USING (pool)
    LEFT JOIN used AS u USING (pool)
    WHERE p.slots < 0 OR coalesce(u.slots, 0) < p.slots
  ) AS scheduled,
  (SELECT extract(epoch FROM max(queued))::float8 FROM used) AS last_queued;
