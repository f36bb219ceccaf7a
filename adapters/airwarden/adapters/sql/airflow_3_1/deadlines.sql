-- deadlines: those that were missed within a day, and those of open runs that are still to come, with how
-- long the DAG's last twenty successful runs took in the middle. Cost: the index on (callback_state,
-- deadline_time): a state says that it was missed, and twenty runs of each DAG with an open deadline, by (dag_id, logical_date).
SELECT x.id::text AS id, r.dag_id, true AS missed, NULL::float8 AS remaining, NULL::float8 AS expected
FROM deadline AS x
JOIN dag_run AS r ON r.id = x.dagrun_id
WHERE x.callback_state IN ('queued', 'running', 'success', 'failed') AND x.deadline_time > now() - interval '1 day'
UNION ALL
SELECT
  x.id::text,
  r.dag_id,
  false,
  extract(epoch FROM x.deadline_time - now())::float8,
  greatest(
    0, h.usual - coalesce(extract(epoch FROM now() - r.start_date), 0)
  )::float8
FROM deadline AS x
JOIN dag_run AS r ON r.id = x.dagrun_id
LEFT JOIN LATERAL (
  SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM s.end_date - s.start_date)) AS usual
  FROM (
    SELECT p.start_date, p.end_date, p.state
    FROM dag_run AS p
    WHERE p.dag_id = r.dag_id AND p.logical_date IS NOT NULL
    ORDER BY p.logical_date DESC
    LIMIT 20
  ) AS s
  WHERE s.state = 'success'
) AS h ON true
WHERE x.callback_state IS NULL AND x.deadline_time > now() AND r.state IN ('running', 'queued');
