-- task_events: failed attempts in a part of the audit log, and whose they are. Airflow writes
-- up_for_retry or failed when an attempt ends, and beside failed the cause where the scheduler ended it.
-- Cost: the log's rows between two ids, by the primary key, and one index look-up for each failure.
SELECT l.id, l.event, l.dag_id, t.operator, coalesce(t.queue, 'default') AS queue
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
    'up_for_retry', 'failed', 'heartbeat timeout', 'state mismatch', 'stuck in queued reschedule',
    'stuck in queued tries exceeded'
  )
ORDER BY l.id;
