-- unserialized: active DAGs without a stored form, by the folder that stands for the bundle. Cost: one
-- index look-up a DAG, so only every few minutes.
SELECT coalesce(d.processor_subdir, 'dags') AS bundle, count(*)::int AS dags
FROM dag AS d
WHERE d.is_active AND (SELECT s.dag_hash FROM serialized_dag AS s WHERE s.dag_id = d.dag_id) IS NULL
GROUP BY 1;
