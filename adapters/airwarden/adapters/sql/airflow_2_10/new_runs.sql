-- new_runs: runs above the highest id seen, and those that were committed late with a lower one. Cost:
-- the new rows, by the primary key; no more than 5,000 at a time, the next look takes the rest.
(
  SELECT id, dag_id, state,
  CASE run_type WHEN 'dataset_triggered' THEN 'asset_triggered' ELSE run_type END AS run_type,
  coalesce(data_interval_end, execution_date) AS run_after, queued_at, start_date, end_date, clear_number
  FROM dag_run
  WHERE id > %(after)s
  ORDER BY id
  LIMIT 5000
)
UNION ALL
SELECT id, dag_id, state,
  CASE run_type WHEN 'dataset_triggered' THEN 'asset_triggered' ELSE run_type END AS run_type,
  coalesce(data_interval_end, execution_date) AS run_after, queued_at, start_date, end_date, clear_number
FROM dag_run
WHERE id = ANY(%(missing)s::int[]);
