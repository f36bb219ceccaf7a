-- overdue_runs: by DAG, what the scheduler could have done by now: a run that is due and not created, and a
-- queued run that may start. Left out are paused, stale and broken DAGs, DAGs at their limit of active
-- runs (which Airflow gives no next run), and backfills; this release has no deadlines. Cost: the DAGs
-- that are due, by the index on next_dagrun_create_after; the open runs, by their partial indexes.
WITH waiting AS MATERIALIZED (
  SELECT
    dag_id,
    count(*) FILTER (WHERE state = 'running') AS running,
    count(*) FILTER (
      WHERE state = 'queued' AND run_type <> 'backfill'
        AND greatest(queued_at, coalesce(data_interval_end, execution_date)) < now() - make_interval(secs => %(grace)s)
    ) AS runs
  FROM dag_run
  WHERE state = 'running' OR state = 'queued'
  GROUP BY dag_id
)
SELECT dag_id, 'not_created' AS kind, 1 AS runs, next_dagrun AS due
FROM dag
WHERE next_dagrun_create_after < now() - make_interval(secs => %(grace)s)
  AND NOT is_paused AND is_active AND NOT coalesce(has_import_errors, false)
UNION ALL
SELECT w.dag_id, 'not_started', w.runs::int, NULL
FROM waiting AS w
JOIN dag AS d USING (dag_id)
WHERE w.runs > 0
  AND w.running < coalesce(d.max_active_runs, 16)
  AND NOT d.is_paused AND d.is_active AND NOT coalesce(d.has_import_errors, false);
