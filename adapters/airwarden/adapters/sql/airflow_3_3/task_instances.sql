-- task_instances: unfinished ones by state, queue and pool. Cost: the live ones, by the index on
-- state; the state NULL (not yet looked at) is left out, since a large run has thousands of them.
SELECT state, coalesce(queue, 'default') AS queue, pool, count(*) AS instances
FROM task_instance
WHERE state IN (
  'scheduled', 'queued', 'running', 'restarting', 'deferred', 'up_for_retry', 'up_for_reschedule',
  'awaiting_input'
)
GROUP BY 1, 2, 3;
