-- failed_attempts: failed attempts in a part of the audit log, and what the scheduler wrote of why it ended
-- them, each as a row of its own. Cost: the log's rows between two ids, by the primary key, and one index
-- look-up for each failure.
SELECT
  l.id,
  l.event,
  l.dttm AS at,
  l.dag_id,
  l.run_id,
  l.task_id,
  coalesce(l.map_index, -1) AS map_index,
  coalesce(l.try_number, t.try_number, 1) AS try_number,
  coalesce(t.operator, '') AS operator,
  coalesce(t.hostname, '') AS hostname,
  l.event = 'failed' AND coalesce(t.state = 'failed' AND t.try_number = l.try_number, true) AS final
FROM log AS l
LEFT JOIN task_instance AS t
  ON t.dag_id = l.dag_id
  AND t.task_id = l.task_id
  AND t.run_id = l.run_id
  AND t.map_index = coalesce(l.map_index, -1)
WHERE l.id > %(after)s
  AND l.id <= %(until)s
  AND l.task_id IS NOT NULL
  AND l.run_id IS NOT NULL
  AND l.event IN (
    'up_for_retry', 'failed', 'heartbeat timeout', 'state mismatch', 'stuck in queued tries exceeded'
  )
ORDER BY l.id;
