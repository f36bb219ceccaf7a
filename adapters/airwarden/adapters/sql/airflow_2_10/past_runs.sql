-- past_runs: a piece of the runs, by id, with numbers instead of names and no NULL: every row
-- packs into the same length. Cost: the rows of the piece, by the primary key.
SELECT
  hashtextextended(dag_id, 0) AS dag,
  (CASE state
    WHEN 'queued' THEN 0 WHEN 'running' THEN 1 WHEN 'success' THEN 2 WHEN 'failed' THEN 3 ELSE 4
  END)::int2 AS state,
  (CASE run_type
    WHEN 'scheduled' THEN 0 WHEN 'manual' THEN 1 WHEN 'dataset_triggered' THEN 2 WHEN 'backfill' THEN 3
    ELSE 4
  END)::int2 AS run_type,
  coalesce(data_interval_end, execution_date, '-infinity') AS due,
  coalesce(queued_at, start_date, '-infinity') AS created,
  coalesce(queued_at, '-infinity') AS queued,
  coalesce(start_date, '-infinity') AS started,
  coalesce(end_date, '-infinity') AS ended
FROM dag_run
WHERE id >= %(low)s AND id < %(high)s
