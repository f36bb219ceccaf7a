-- scheduler_lag: three lags in seconds, each NULL when nothing is late, and when a task was last queued
-- (Unix time). Only what the scheduler could do now and has not done counts: runs of paused, stale and
-- broken DAGs, DAGs at their limit of active runs, backfills, tasks of paused DAGs, and tasks of pools
-- without room are left out. What a paused DAG has running or queued still takes slots.
-- Cost: the DAGs, the open runs and the live task instances, by their indexes.
WITH active AS MATERIALIZED (
  SELECT dag_id, max_active_runs, next_dagrun_create_after, exceeds_max_non_backfill
  FROM dag
  WHERE NOT is_paused AND NOT is_stale AND NOT coalesce(has_import_errors, false)
), running AS MATERIALIZED (
  SELECT dag_id, count(*) AS runs FROM dag_run WHERE state = 'running' GROUP BY dag_id
), used AS MATERIALIZED (
  SELECT
    t.pool,
    sum(t.pool_slots) FILTER (WHERE t.state IN ('running', 'queued')) AS slots,
    min(t.scheduled_dttm) FILTER (WHERE t.state = 'scheduled' AND NOT d.is_paused) AS oldest,
    max(t.queued_dttm) FILTER (WHERE t.state IN ('running', 'queued')) AS queued
  FROM task_instance AS t
  LEFT JOIN dag AS d USING (dag_id)
  WHERE t.state IN ('running', 'queued', 'scheduled')
  GROUP BY t.pool
)
SELECT
  extract(epoch FROM now())::float8 AS now,
  (
    SELECT extract(epoch FROM now() - min(a.next_dagrun_create_after))::float8
    FROM active AS a
    WHERE a.next_dagrun_create_after < now() AND NOT a.exceeds_max_non_backfill
  ) AS not_created,
  (
    SELECT extract(epoch FROM now() - min(greatest(r.queued_at, r.run_after)))::float8
    FROM dag_run AS r
    JOIN active AS a USING (dag_id)
    LEFT JOIN running AS u USING (dag_id)
    WHERE r.state = 'queued'
      AND r.run_type <> 'backfill'
      AND coalesce(u.runs, 0) < coalesce(a.max_active_runs, 16)
      AND greatest(r.queued_at, r.run_after) < now()
  ) AS not_started,
  (
    SELECT extract(epoch FROM now() - min(u.oldest))::float8
    FROM used AS u
    JOIN slot_pool AS p USING (pool)
    WHERE p.slots < 0 OR coalesce(u.slots, 0) < p.slots
  ) AS scheduled,
  (SELECT extract(epoch FROM max(queued))::float8 FROM used) AS last_queued;
