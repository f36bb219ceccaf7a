-- rerun_runs: cleared runs that are over again, among those of the latest 5,000 attempts that were replaced:
-- a clear writes what it replaces to the history. So a run is found that was cleared and ended between two
-- looks. Cost: the latest ids of task_instance_history's primary key.
SELECT
  r.id, r.dag_id, r.state,
  CASE r.run_type WHEN 'dataset_triggered' THEN 'asset_triggered' ELSE r.run_type END AS run_type,
  coalesce(r.data_interval_end, r.execution_date) AS run_after, r.queued_at, r.start_date, r.end_date,
  r.clear_number
FROM (
  SELECT DISTINCT h.dag_id, h.run_id
  FROM (
    SELECT dag_id, run_id FROM task_instance_history ORDER BY id DESC LIMIT 5000
  ) AS h
) AS t
JOIN dag_run AS r ON r.dag_id = t.dag_id AND r.run_id = t.run_id
WHERE r.clear_number > 0
  AND r.state IN ('success', 'failed')
  AND r.end_date > now() - make_interval(secs => %(lookback)s);
