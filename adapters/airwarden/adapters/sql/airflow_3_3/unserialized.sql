-- unserialized: DAGs by bundle that are listed and have no stored version. Cost: one index look-up a DAG,
-- so only every few minutes.
SELECT d.bundle_name AS bundle, count(*)::int AS dags
FROM dag AS d
WHERE NOT d.is_stale
  AND (
    SELECT v.version_number
    FROM dag_version AS v
    WHERE v.dag_id = d.dag_id
    ORDER BY v.version_number DESC
    LIMIT 1
  ) IS NULL
GROUP BY d.bundle_name;
