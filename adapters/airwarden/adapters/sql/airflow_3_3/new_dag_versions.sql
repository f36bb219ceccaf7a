-- new_dag_versions: versions of DAGs above an id. Cost: the new rows, by the primary key.
SELECT id::text AS id, dag_id, version_number, extract(epoch FROM created_at)::float8 AS created
FROM dag_version
WHERE id > %(after)s::uuid
ORDER BY id
LIMIT 5000;
