-- running_hosts: on which machines running tasks are, by what each of them said. Cost: the running task
-- instances, by the index on state.
SELECT coalesce(hostname, '') AS hostname, coalesce(queue, 'default') AS queue, count(*)::int AS tasks
FROM task_instance
WHERE state = 'running'
GROUP BY 1, 2;
