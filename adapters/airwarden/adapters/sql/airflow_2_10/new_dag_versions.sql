-- new_dag_versions: stored DAGs above an id, which is made of the time of their last change, as later
-- releases make the ids of versions. This release keeps one version of a DAG, so a new DAG cannot be told
-- from a changed one: all count as changed. Cost: the stored DAGs, without their text.
SELECT v.id::text AS id, v.dag_id, 2 AS version_number, v.created
FROM (
  SELECT
    s.dag_id,
    extract(epoch FROM s.last_updated)::float8 AS created,
    (
      lpad(to_hex((1000 * extract(epoch FROM s.last_updated))::bigint), 12, '0')
      || '7' || substr(md5(s.dag_id || s.dag_hash), 1, 3)
      || '8' || substr(md5(s.dag_id || s.dag_hash), 4, 15)
    )::uuid AS id
  FROM serialized_dag AS s
  WHERE s.last_updated >= to_timestamp(
    ('x' || left(replace(%(after)s::text, '-', ''), 12))::bit(48)::bigint / 1000.0
  )
) AS v
WHERE v.id > %(after)s::uuid
ORDER BY v.id
LIMIT 5000;
