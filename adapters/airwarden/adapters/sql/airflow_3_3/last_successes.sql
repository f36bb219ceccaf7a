-- last_successes: when the named DAGs last ended a run well. Cost: their successful runs, by the
-- index on (dag_id, state), so only for DAGs that have a target.
SELECT d.dag_id, max(r.end_date) AS updated
FROM unnest(%(dags)s::text[]) AS d(dag_id)
LEFT JOIN dag_run AS r ON r.dag_id = d.dag_id AND r.state = 'success'
GROUP BY d.dag_id;
