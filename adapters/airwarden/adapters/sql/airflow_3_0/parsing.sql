-- parsing: by bundle, its files' ages, and DAGs that are behind the bundle's version. A
-- file counts once however many DAGs it makes; its age is that of its newest parse. Cost: the DAGs, once. This
-- release keeps no parse times.
WITH files AS MATERIALIZED (
  SELECT
    d.bundle_name,
    d.relative_fileloc,
    max(d.last_parsed_time) AS parsed,
    count(*) FILTER (WHERE d.bundle_version IS DISTINCT FROM b.version) AS behind
  FROM dag AS d
  JOIN dag_bundle AS b ON b.name = d.bundle_name
  WHERE NOT d.is_stale
  GROUP BY d.bundle_name, d.relative_fileloc
), parsed AS (
  SELECT
    bundle_name,
    count(*)::int AS files,
    extract(epoch FROM now() - min(parsed))::float8 AS oldest,
    sum(behind)::int AS behind
  FROM files
  GROUP BY bundle_name
)
SELECT
  b.name AS bundle,
  extract(epoch FROM b.last_refreshed)::float8 AS refreshed,
  coalesce(p.files, 0) AS files,
  NULL::float8 AS seconds,
  p.oldest,
  coalesce(p.behind, 0) AS behind,
  (SELECT count(*)::int FROM import_error AS e WHERE e.bundle_name = b.name) AS import_errors
FROM dag_bundle AS b
LEFT JOIN parsed AS p ON p.bundle_name = b.name
WHERE b.active OR p.files > 0;
