-- task_events: failed attempts in a part of the audit log, and whose they are. This release writes failed
-- for every attempt that failed: one that is retried stands in the history with a try that was not its
-- last, and goes by up_for_retry here, as later releases have it. Cost: the log's rows between two ids, by
-- the primary key, and two index look-ups for each failure.
SELECT
  l.id,
  CASE
    WHEN l.event = 'failed' AND EXISTS (
      SELECT
      FROM task_instance_history AS h
      WHERE h.dag_id = l.dag_id AND h.task_id = l.task_id AND h.run_id = l.run_id
        AND h.map_index = coalesce(l.map_index, -1) AND h.try_number = l.try_number
        AND h.try_number <= h.max_tries
    ) THEN 'up_for_retry'
    WHEN l.event = 'stuck in queued' THEN 'stuck in queued reschedule'
    ELSE l.event
  END AS event,
  l.dag_id, t.operator, coalesce(t.queue, 'default') AS queue
FROM log AS l
LEFT JOIN task_instance AS t
  ON t.dag_id = l.dag_id
  AND t.task_id = l.task_id
  AND t.run_id = l.run_id
  AND t.map_index = coalesce(l.map_index, -1)
WHERE l.id > %(after)s
  AND l.id <= %(until)s
  AND l.task_id IS NOT NULL
  AND l.event IN (
    'failed', 'heartbeat timeout', 'state mismatch', 'stuck in queued', 'stuck in queued reschedule',
    'stuck in queued tries exceeded'
  )
ORDER BY l.id;
