-- truth_ended: attempts that ended. One in the history is over whatever it was; a failed one there had
-- another try to come unless it was its last, and somebody cleared it.
WITH attempt AS (
  SELECT id, state, queue, dag_id FROM task_instance
  WHERE state IN ('success', 'failed', 'skipped', 'upstream_failed', 'removed')
  UNION ALL
  SELECT task_instance_id,
    CASE WHEN state = 'failed' AND try_number <= max_tries THEN 'up_for_retry' ELSE state END,
    queue, dag_id
  FROM task_instance_history
)
SELECT state, queue, dag_id, count(*)::int
FROM attempt
WHERE id NOT IN (SELECT id FROM truth.old_end)
GROUP BY 1, 2, 3;
