-- open_runs: runs that have not ended. OR, because IN would miss the partial indexes.
SELECT id, dag_id, state, run_type, run_after, queued_at, start_date, end_date,
  clear_number
FROM dag_run
WHERE state = 'running' OR state = 'queued';
