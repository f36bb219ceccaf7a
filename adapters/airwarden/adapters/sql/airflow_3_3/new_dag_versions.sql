-- new_dag_versions: versions of DAGs above an id. Cost: the new rows, by the primary key.
SELECT v.id::text AS id, v.dag_id, v.version_number, extract(epoch FROM v.created_at)::float8 AS created
FROM dag_version AS v
WHERE v.id > %(after)s::uuid
ORDER BY v.id
LIMIT 5000;
