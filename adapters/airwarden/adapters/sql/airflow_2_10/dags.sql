-- dags: every DAG with its tags; at 15,000 DAGs some 60,000 rows are read, so once a minute.
SELECT
  d.dag_id,
  coalesce(d.is_paused, false) AS is_paused,
  NOT coalesce(d.is_active, false) AS is_stale,
  d.has_import_errors,
  t.tags
FROM dag AS d
LEFT JOIN (SELECT dag_id, array_agg(name) AS tags FROM dag_tag GROUP BY dag_id) AS t USING (dag_id);
