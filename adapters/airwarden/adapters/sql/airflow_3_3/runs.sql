-- runs: runs by id.
SELECT id, dag_id, state, run_type, run_after, queued_at, start_date, end_date,
  clear_number
FROM dag_run
WHERE id = ANY(%(ids)s::int[]);
