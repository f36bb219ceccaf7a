-- rerun_runs: cleared runs that are over again, with tasks that were made anew within `lookback` seconds:
-- a clear gives a task instance a new id, which begins with the time (uuid version 7). So a run is found
-- that was cleared and ended between two looks. Cost: the latest ids of task_instance's primary key.
SELECT
  r.id, r.dag_id, r.state, r.run_type, r.run_after, r.queued_at, r.start_date, r.end_date,
  r.clear_number
FROM (
  SELECT DISTINCT dag_id, run_id
  FROM task_instance
  WHERE id >= (
    lpad(to_hex((1000 * extract(epoch FROM now() - make_interval(secs => %(lookback)s)))::bigint), 12, '0')
    || '70008000000000000000'
  )::uuid
) AS t
JOIN dag_run AS r ON r.dag_id = t.dag_id AND r.run_id = t.run_id
WHERE r.clear_number > 0
  AND r.state IN ('success', 'failed')
  AND r.end_date > now() - make_interval(secs => %(lookback)s);
