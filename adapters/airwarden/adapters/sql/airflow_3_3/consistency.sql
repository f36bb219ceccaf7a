-- consistency: what should not be: tasks under way whose scheduler is gone, tasks under way of runs that
-- have ended, and runs that have had nothing left to do for five minutes. Runs go by a hash of their two
-- names: to join by those costs more than to find them. Cost: the unfinished task instances, by the index on
-- state; the open runs, by their partial indexes (which an IN would miss); and the tasks, by
-- (dag_id, run_id), of those few open runs of which nothing is under way.
WITH live AS MATERIALIZED (
  SELECT
    hashtextextended(run_id, hashtextextended(dag_id, 0)) AS run,
    queued_by_job_id AS job,
    count(*) FILTER (WHERE state IN ('queued', 'running')) AS placed,
    count(*) FILTER (WHERE state IN ('scheduled', 'queued', 'running')) AS expected
  FROM task_instance
  WHERE state IN (
    'scheduled', 'queued', 'running', 'restarting', 'deferred', 'up_for_retry', 'up_for_reschedule',
    'awaiting_input'
  )
  GROUP BY run, job
), open_runs AS MATERIALIZED (
  SELECT
    dag_id, run_id, hashtextextended(run_id, hashtextextended(dag_id, 0)) AS run,
    state = 'running' AND start_date < now() - interval '5 minutes' AS works
  FROM dag_run
  WHERE state = 'running' OR state = 'queued'
), idle AS MATERIALIZED (
  SELECT o.dag_id, o.run_id
  FROM open_runs AS o
  WHERE o.works AND NOT EXISTS (SELECT FROM live AS l WHERE l.run = o.run)
)
SELECT 'orphaned_task' AS kind, coalesce(sum(l.placed), 0)::int AS found
FROM live AS l
LEFT JOIN job AS j ON j.id = l.job
WHERE l.job IS NOT NULL
  AND (j.id IS NULL OR j.state <> 'running' OR j.latest_heartbeat < now() - interval '5 minutes')
UNION ALL
SELECT 'task_of_ended_run', coalesce(sum(l.expected), 0)::int
FROM live AS l
WHERE NOT EXISTS (SELECT FROM open_runs AS o WHERE o.run = l.run)
UNION ALL
SELECT 'run_without_work', count(*)::int
FROM idle AS o
WHERE NOT EXISTS (
  SELECT
  FROM task_instance AS t
  WHERE t.dag_id = o.dag_id
    AND t.run_id = o.run_id
    AND (t.state IS NULL OR t.end_date > now() - interval '5 minutes')
);
