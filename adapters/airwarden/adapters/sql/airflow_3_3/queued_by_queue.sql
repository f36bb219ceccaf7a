-- queued_by_queue: tasks that were handed to the executor and have not begun, by queue. Cost: the queued
-- task instances, by the index on state.
SELECT coalesce(queue, 'default') AS queue, count(*)::int AS tasks
FROM task_instance
WHERE state = 'queued'
GROUP BY 1;
