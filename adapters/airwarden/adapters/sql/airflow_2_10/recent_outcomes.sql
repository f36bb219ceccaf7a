-- recent_outcomes: how the latest hundred runs of the named DAGs ended, newest first, and when the last
-- good one did. Cost: a hundred runs a DAG, by
-- (dag_id, execution_date), so only once for each DAG.
SELECT
  w.dag_id,
  array_agg(r.state ORDER BY r.execution_date DESC) AS states,
  extract(epoch FROM max(r.end_date) FILTER (WHERE r.state = 'success'))::float8 AS succeeded
FROM unnest(%(dags)s::text[]) AS w(dag_id)
CROSS JOIN LATERAL (
  SELECT p.state, p.end_date, p.execution_date
  FROM dag_run AS p
  WHERE p.dag_id = w.dag_id
  ORDER BY p.execution_date DESC
  LIMIT 100
) AS r
GROUP BY w.dag_id;
