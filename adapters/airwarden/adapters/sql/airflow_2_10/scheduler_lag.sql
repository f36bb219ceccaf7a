-- scheduler_lag: two lags in seconds, each NULL when nothing is late: of runs that are due and not created,
-- and of queued runs that may start; `live_tasks` tells of scheduled tasks. Only what the scheduler could
-- do now and has not done counts: runs of paused, stale and broken DAGs, DAGs at their limit of active
-- runs (which Airflow gives no next run), and backfills are left out. Cost: the DAGs that are due and the queued runs, by their indexes.
WITH queued AS MATERIALIZED (
  SELECT r.dag_id, greatest(r.queued_at, coalesce(r.data_interval_end, r.execution_date)) AS since, a.max_active_runs
  FROM dag_run AS r
  JOIN dag AS a USING (dag_id)
  WHERE r.state = 'queued'
    AND r.run_type <> 'backfill'
    AND greatest(r.queued_at, coalesce(r.data_interval_end, r.execution_date)) < now()
    AND NOT a.is_paused AND a.is_active AND NOT coalesce(a.has_import_errors, false)
)
SELECT
  (
    SELECT extract(epoch FROM now() - min(a.next_dagrun_create_after))::float8
    FROM dag AS a
    WHERE a.next_dagrun_create_after < now()
      AND NOT a.is_paused AND a.is_active AND NOT coalesce(a.has_import_errors, false)
  ) AS not_created,
  (
    SELECT extract(epoch FROM now() - min(q.since))::float8
    FROM queued AS q
    WHERE (
      SELECT count(*) FROM dag_run AS r WHERE r.state = 'running' AND r.dag_id = q.dag_id
    ) < coalesce(q.max_active_runs, 16)
  ) AS not_started;
