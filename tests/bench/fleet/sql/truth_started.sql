-- truth_started: attempts that began to run. One that failed while it was queued has the start of the one
-- before it, or none. Of one that was queued again since it began (it went on after a deferral), and of one
-- that nobody says was scheduled, it is not known any more how long it waited.
WITH attempt AS (
  SELECT id, state, queue, pool, start_date, queued_dttm, scheduled_dttm, dag_id, run_id, task_id, map_index, try_number
  FROM task_instance
  WHERE state IN ('running', 'restarting', 'deferred', 'up_for_reschedule', 'success', 'failed')
  UNION ALL
  SELECT task_instance_id, state, queue, pool, start_date, queued_dttm, scheduled_dttm, dag_id, run_id, task_id, map_index, try_number
  FROM task_instance_history WHERE state IN ('success', 'failed')
)
SELECT
  queue, pool, start_date >= queued_dttm AS queued, start_date >= queued_dttm AND scheduled_dttm IS NOT NULL AS scheduled,
  count(*)::int
FROM attempt AS a
WHERE start_date IS NOT NULL AND queued_dttm IS NOT NULL
  AND id NOT IN (SELECT id FROM truth.old_start)
  AND NOT EXISTS (
    SELECT FROM task_instance_history AS h
    WHERE (h.dag_id, h.run_id, h.task_id, h.map_index) = (a.dag_id, a.run_id, a.task_id, a.map_index)
      AND h.try_number < a.try_number AND h.start_date = a.start_date
  )
GROUP BY 1, 2, 3, 4;
