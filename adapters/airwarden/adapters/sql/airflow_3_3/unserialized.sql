-- unserialized: DAGs by bundle that are listed and have no stored version. Cost: one index look-up a DAG,
-- so only every few minutes.
SELECT d.bundle_name AS bundle, count(*)::int AS dags
FROM dag AS d
WHERE NOT d.is_stale
  AND NOT EXISTS (SELECT 1 FROM dag_version AS v WHERE v.dag_id = d.dag_id)
GROUP BY d.bundle_name;
