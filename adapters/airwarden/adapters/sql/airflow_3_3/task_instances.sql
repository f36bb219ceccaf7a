-- task_instances: unfinished ones by state, queue and pool; `scheduled_paused` are scheduled ones of
-- paused DAGs, which no scheduler looks at until they are unpaused. Cost: the live ones, by the index
-- on state, and the DAGs; the state NULL (not yet looked at) is left out, since a large run has
-- thousands of them.
SELECT
  CASE WHEN t.state = 'scheduled' AND d.is_paused THEN 'scheduled_paused' ELSE t.state END AS state,
  coalesce(t.queue, 'default') AS queue,
  t.pool,
  count(*) AS instances
FROM task_instance AS t
LEFT JOIN dag AS d USING (dag_id)
WHERE t.state IN (
  'scheduled', 'queued', 'running', 'restarting', 'deferred', 'up_for_retry', 'up_for_reschedule',
  'awaiting_input'
)
GROUP BY 1, 2, 3;
