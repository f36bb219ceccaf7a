-- tasks_of_runs: attempts that began or ended: all of the runs in `settle`, and those of the runs in
-- `open` that changed within `lookback` seconds. Cost: the tasks of these runs, by (dag_id, run_id).
WITH wanted AS MATERIALIZED (
  SELECT id, dag_id, run_id, id = ANY(%(settle)s::int[]) AS whole
  FROM dag_run
  WHERE id = ANY(%(settle)s::int[]) OR id = ANY(%(open)s::int[])
)
SELECT
  t.id, r.id AS run, r.dag_id, t.state, t.queue, t.start_date, t.end_date, t.queued_dttm,
  false AS history
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
  h.task_instance_id, r.id, r.dag_id, h.state, h.queue, h.start_date, h.end_date, h.queued_dttm,
  true
FROM wanted AS r
JOIN task_instance_history AS h ON h.dag_id = r.dag_id AND h.run_id = r.run_id
WHERE r.whole
  OR h.updated_at IS NULL
  OR h.updated_at > now() - make_interval(secs => %(lookback)s)
  OR h.end_date > now() - make_interval(secs => %(lookback)s);
