-- canary_runs: of the named DAGs, the last run that ended well among their latest fifty, and how many
-- seconds after it was due. Cost: fifty runs a DAG, by (dag_id, logical_date).
SELECT DISTINCT ON (w.dag_id)
  w.dag_id,
  extract(epoch FROM r.end_date)::float8 AS succeeded,
  greatest(0, extract(epoch FROM r.end_date - r.run_after))::float8 AS took
FROM unnest(%(dags)s::text[]) AS w(dag_id)
CROSS JOIN LATERAL (
  SELECT p.state, p.end_date, p.run_after
  FROM dag_run AS p
  WHERE p.dag_id = w.dag_id AND p.logical_date IS NOT NULL
  ORDER BY p.logical_date DESC
  LIMIT 50
) AS r
WHERE r.state = 'success' AND r.end_date IS NOT NULL
ORDER BY w.dag_id, r.end_date DESC;
