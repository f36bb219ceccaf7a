-- task_instances: unfinished ones by state, queue and pool; `scheduled_paused` are scheduled ones of
-- paused DAGs, which no scheduler looks at until they are unpaused. Cost: the live ones, by the index
-- on state, and the DAGs of the scheduled ones; the state NULL (not yet looked at) is left out, since a
-- large run has thousands of them.
SELECT
  CASE
    WHEN t.state <> 'scheduled' THEN t.state
    WHEN (SELECT d.is_paused FROM dag AS d WHERE d.dag_id = t.dag_id) THEN 'scheduled_paused'
    ELSE t.state
  END AS state,
  coalesce(t.queue, 'default') AS queue,
  t.pool,
  count(*) AS instances
FROM task_instance AS t
WHERE t.state IN (
  'scheduled', 'queued', 'running', 'restarting', 'deferred', 'up_for_retry', 'up_for_reschedule',
  'awaiting_input'
)
GROUP BY 1, 2, 3;
