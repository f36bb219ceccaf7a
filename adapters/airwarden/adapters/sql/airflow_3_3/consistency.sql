-- consistency: what should not be: tasks under way whose scheduler is gone, tasks under way of runs that
-- have ended, and runs that have had nothing left to do for five minutes. Cost: the unfinished task
-- instances, by the index on state; the open runs; and the tasks, by (dag_id, run_id), of those few open
-- runs of which nothing is under way.
WITH live AS MATERIALIZED (
  SELECT dag_id, run_id, state, queued_by_job_id
  FROM task_instance
  WHERE state IN (
    'scheduled', 'queued', 'running', 'restarting', 'deferred', 'up_for_retry', 'up_for_reschedule',
    'awaiting_input'
  )
), open_runs AS MATERIALIZED (
  SELECT dag_id, run_id, state, start_date FROM dag_run WHERE state = 'running'
  UNION ALL
  SELECT dag_id, run_id, state, start_date FROM dag_run WHERE state = 'queued'
), idle AS MATERIALIZED (
  SELECT o.dag_id, o.run_id
  FROM open_runs AS o
  WHERE o.state = 'running'
    AND o.start_date < now() - interval '5 minutes'
    AND NOT EXISTS (SELECT 1 FROM live AS l WHERE l.dag_id = o.dag_id AND l.run_id = o.run_id)
)
SELECT 'orphaned_task' AS kind, count(*)::int AS found
FROM live AS l
LEFT JOIN job AS j ON j.id = l.queued_by_job_id
WHERE l.state IN ('queued', 'running')
  AND l.queued_by_job_id IS NOT NULL
  AND (j.id IS NULL OR j.state <> 'running' OR j.latest_heartbeat < now() - interval '5 minutes')
UNION ALL
SELECT 'task_of_ended_run', count(*)::int
FROM live AS l
WHERE l.state IN ('scheduled', 'queued', 'running')
  AND NOT EXISTS (
    SELECT 1 FROM open_runs AS o WHERE o.dag_id = l.dag_id AND o.run_id = l.run_id
  )
UNION ALL
SELECT 'run_without_work', count(*)::int
FROM idle AS o
WHERE NOT EXISTS (
  SELECT 1
  FROM task_instance AS t
  WHERE t.dag_id = o.dag_id
    AND t.run_id = o.run_id
    AND (t.state IS NULL OR t.end_date > now() - interval '5 minutes')
);
