-- tasks_of_runs: attempts that began or ended: all of the runs in `settle`, and those of the runs in
-- `open` that changed within `lookback` seconds. `inherited` is an attempt that never ran and kept the
-- start of the one before it. Cost: the tasks of these runs, by (dag_id, run_id).
WITH wanted AS MATERIALIZED (
  SELECT id, dag_id, run_id, id = ANY(%(settle)s::int[]) AS whole
  FROM dag_run
  WHERE id = ANY(%(settle)s::int[] || %(open)s::int[])
), attempt AS MATERIALIZED (
  SELECT
    t.id, r.id AS run, t.dag_id, t.run_id, t.task_id, t.map_index, t.state, t.queue, t.start_date,
    t.end_date, t.queued_dttm, t.scheduled_dttm, t.pool, t.try_number, t.max_tries, false AS history
  FROM wanted AS r
  JOIN task_instance AS t ON t.dag_id = r.dag_id AND t.run_id = r.run_id
  WHERE t.state IN (
      'running', 'restarting', 'deferred', 'up_for_reschedule', 'success', 'failed', 'skipped',
      'upstream_failed', 'removed'
    )
    AND (
      r.whole
      OR t.updated_at IS NULL
      OR t.updated_at > now() - make_interval(secs => %(lookback)s)
      OR t.end_date > now() - make_interval(secs => %(lookback)s)
    )
  UNION ALL
  SELECT
    h.task_instance_id, r.id, h.dag_id, h.run_id, h.task_id, h.map_index, h.state, h.queue,
    h.start_date, h.end_date, h.queued_dttm, h.scheduled_dttm, h.pool, h.try_number, h.max_tries, true
  FROM wanted AS r
  JOIN task_instance_history AS h ON h.dag_id = r.dag_id AND h.run_id = r.run_id
  WHERE r.whole
    OR h.updated_at IS NULL
    OR h.updated_at > now() - make_interval(secs => %(lookback)s)
    OR h.end_date > now() - make_interval(secs => %(lookback)s)
)
SELECT
  a.id, a.run, a.dag_id, a.state, a.queue, a.start_date, a.end_date, a.queued_dttm, a.history,
  a.scheduled_dttm, a.pool, a.try_number,
  a.try_number <= a.max_tries AS retriable,
  a.try_number > 1 AND EXISTS (
    SELECT
    FROM task_instance_history AS p
    WHERE p.dag_id = a.dag_id AND p.task_id = a.task_id AND p.run_id = a.run_id
      AND p.map_index = a.map_index AND p.try_number < a.try_number AND p.start_date = a.start_date
  ) AS inherited
FROM attempt AS a;
