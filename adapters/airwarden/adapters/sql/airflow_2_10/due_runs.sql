-- due_runs: of runs that were due (DAG and logical date): whether one was made, whether the DAG may make
-- runs at all, its latest run and its next one. Cost: two look-ups a DAG, by (dag_id, execution_date).
SELECT
  w.dag_id,
  EXISTS (
    SELECT 1 FROM dag_run AS r WHERE r.dag_id = w.dag_id AND r.execution_date = w.due
  ) AS created,
  d.dag_id IS NOT NULL AND NOT d.is_paused AND d.is_active AS active,
  d.next_dagrun AS next_due,
  (
    SELECT r.execution_date
    FROM dag_run AS r
    WHERE r.dag_id = w.dag_id AND r.execution_date > w.due
    ORDER BY r.execution_date DESC
    LIMIT 1
  ) AS latest
FROM unnest(%(dags)s::text[], %(due)s::timestamptz[]) AS w(dag_id, due)
LEFT JOIN dag AS d ON d.dag_id = w.dag_id;
