-- open_runs: runs that have not ended. OR, because IN would miss the partial indexes.
SELECT id, dag_id, state,
  CASE run_type WHEN 'dataset_triggered' THEN 'asset_triggered' ELSE run_type END AS run_type,
  coalesce(data_interval_end, execution_date) AS run_after, queued_at, start_date, end_date, clear_number
FROM dag_run
WHERE state = 'running' OR state = 'queued';
