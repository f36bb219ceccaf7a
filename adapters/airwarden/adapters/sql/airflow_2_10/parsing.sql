-- parsing: the age of each DAG file's newest parse, and import errors, by the folder that a processor has
-- (processor_subdir), which stands for the bundle; this release knows no bundles and keeps no parse times.
-- A file counts once however many DAGs it makes. Cost: the DAGs, once.
WITH files AS MATERIALIZED (
  SELECT coalesce(processor_subdir, 'dags') AS bundle, fileloc, max(last_parsed_time) AS parsed
  FROM dag
  WHERE is_active
  GROUP BY 1, 2
), errors AS (
  SELECT coalesce(processor_subdir, 'dags') AS bundle, count(*)::int AS found
  FROM import_error
  GROUP BY 1
), parsed AS (
  SELECT bundle, count(*)::int AS files, extract(epoch FROM now() - min(parsed))::float8 AS oldest
  FROM files
  GROUP BY bundle
)
SELECT
  bundle,
  NULL::float8 AS refreshed,
  coalesce(p.files, 0) AS files,
  NULL::float8 AS seconds,
  p.oldest,
  NULL::int AS behind,
  coalesce(e.found, 0) AS import_errors
FROM parsed AS p
FULL JOIN errors AS e USING (bundle);
