-- latest_dag_version: the id of the latest change of a stored DAG: see new_dag_versions. Cost: the stored
-- DAGs, without their text.
SELECT v.id::text AS id
FROM (
  SELECT
    (
      lpad(to_hex((1000 * extract(epoch FROM s.last_updated))::bigint), 12, '0')
      || '7' || substr(md5(s.dag_id || s.dag_hash), 1, 3)
      || '8' || substr(md5(s.dag_id || s.dag_hash), 4, 15)
    )::uuid AS id
  FROM serialized_dag AS s
  ORDER BY s.last_updated DESC
  LIMIT 1
) AS v;
