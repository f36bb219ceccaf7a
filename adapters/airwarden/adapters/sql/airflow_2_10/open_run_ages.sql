-- open_run_ages: the oldest open run of each DAG and state; a queued run of a paused DAG waits for
-- nobody. Two branches, because one IN would miss the partial indexes. Cost: the open runs.
SELECT dag_id, 'running' AS state, extract(epoch FROM now() - min(start_date))::float8 AS age
FROM dag_run
WHERE state = 'running'
GROUP BY dag_id
UNION ALL
SELECT r.dag_id, 'queued', extract(epoch FROM now() - min(greatest(r.queued_at, coalesce(r.data_interval_end, r.execution_date))))::float8
FROM dag_run AS r
JOIN dag AS d USING (dag_id)
WHERE r.state = 'queued' AND NOT d.is_paused
GROUP BY r.dag_id;
