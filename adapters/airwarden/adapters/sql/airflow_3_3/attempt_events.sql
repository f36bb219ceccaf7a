-- attempt_events: what the audit log holds about one attempt of a task. Cost: the log's index on task instances.
SELECT l.event
FROM log AS l
WHERE l.dag_id = %(dag_id)s
  AND l.task_id = %(task_id)s
  AND l.run_id = %(run_id)s
  AND (l.map_index = %(map_index)s OR l.map_index IS NULL)
  AND (l.try_number = %(try_number)s OR l.try_number IS NULL)
  AND l.event IN (
    'heartbeat timeout', 'state mismatch', 'stuck in queued reschedule', 'stuck in queued tries exceeded'
  )
ORDER BY l.id
LIMIT 20;
