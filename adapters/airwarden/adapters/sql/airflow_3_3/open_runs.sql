-- open_runs: runs that have not ended. Two branches, because one IN would miss the partial indexes.
SELECT id, dag_id, state, run_type, run_after, queued_at, start_date, end_date,
  clear_number
FROM dag_run
WHERE state = 'running'
UNION ALL
SELECT id, dag_id, state, run_type, run_after, queued_at, start_date, end_date,
  clear_number
FROM dag_run
WHERE state = 'queued';
