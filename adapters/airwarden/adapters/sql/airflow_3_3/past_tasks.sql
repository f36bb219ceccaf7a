-- past_tasks: a piece of the task attempts, by id (version 7: it begins with the time when the row was made),
-- with numbers instead of names and no NULL. Cost: the rows of the piece, by the primary keys.
SELECT
  hashtextextended(dag_id, 0) AS dag,
  hashtextextended(coalesce(queue, 'default'), 0) AS queue,
  hashtextextended(coalesce(pool, 'default_pool'), 0) AS pool,
  (CASE state
    WHEN 'success' THEN 0 WHEN 'failed' THEN 1 WHEN 'skipped' THEN 2 WHEN 'upstream_failed' THEN 3
    WHEN 'removed' THEN 4 ELSE 5
  END)::int2 AS state,
  0::int2 AS retried,
  coalesce(scheduled_dttm, '-infinity') AS scheduled,
  coalesce(queued_dttm, '-infinity') AS queued,
  coalesce(start_date, '-infinity') AS started,
  coalesce(end_date, '-infinity') AS ended
FROM task_instance
WHERE id >= %(low)s::uuid AND id < %(high)s::uuid
UNION ALL
SELECT
  hashtextextended(dag_id, 0),
  hashtextextended(coalesce(queue, 'default'), 0),
  hashtextextended(coalesce(pool, 'default_pool'), 0),
  (CASE state
    WHEN 'success' THEN 0 WHEN 'failed' THEN 1 WHEN 'skipped' THEN 2 WHEN 'upstream_failed' THEN 3
    WHEN 'removed' THEN 4 ELSE 5
  END)::int2,
  (try_number <= max_tries AND state = 'failed')::int::int2,
  coalesce(scheduled_dttm, '-infinity'),
  coalesce(queued_dttm, '-infinity'),
  coalesce(start_date, '-infinity'),
  coalesce(end_date, '-infinity')
FROM task_instance_history
WHERE task_instance_id >= %(low)s::uuid AND task_instance_id < %(high)s::uuid
