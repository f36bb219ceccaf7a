-- overdue_runs: by DAG, what the scheduler could have done by now: a run that is due and not created, a
-- queued run that may start, an open run past its deadline. Left out are paused, stale and broken DAGs,
-- DAGs at their limit of active runs, and backfills. Cost: the DAGs that are due, by the index on
-- next_dagrun_create_after; the open runs, by their partial indexes; the deadlines of a week, by the
-- index on (callback_state, deadline_time): a state says that it was missed.
WITH waiting AS MATERIALIZED (
  SELECT
    dag_id,
    count(*) FILTER (WHERE state = 'running') AS running,
    count(*) FILTER (
      WHERE state = 'queued' AND run_type <> 'backfill'
        AND greatest(queued_at, run_after) < now() - make_interval(secs => %(grace)s)
    ) AS runs
  FROM dag_run
  WHERE state = 'running' OR state = 'queued'
  GROUP BY dag_id
), late AS MATERIALIZED (
  SELECT dagrun_id FROM deadline WHERE callback_state IS NULL AND deadline_time < now()
  UNION
  SELECT dagrun_id FROM deadline WHERE callback_state IN ('queued', 'running', 'success', 'failed') AND deadline_time > now() - interval '7 days'
)
SELECT dag_id, 'not_created' AS kind, 1 AS runs, next_dagrun AS due
FROM dag
WHERE next_dagrun_create_after < now() - make_interval(secs => %(grace)s)
  AND NOT is_paused AND NOT is_stale AND NOT coalesce(has_import_errors, false)
UNION ALL
SELECT w.dag_id, 'not_started', w.runs::int, NULL
FROM waiting AS w
JOIN dag AS d USING (dag_id)
WHERE w.runs > 0
  AND w.running < coalesce(d.max_active_runs, 16)
  AND NOT d.is_paused AND NOT d.is_stale AND NOT coalesce(d.has_import_errors, false)
UNION ALL
SELECT r.dag_id, 'deadline', count(*)::int, NULL
FROM late AS x
JOIN dag_run AS r ON r.id = x.dagrun_id
WHERE r.state IN ('running', 'queued')
GROUP BY r.dag_id;
