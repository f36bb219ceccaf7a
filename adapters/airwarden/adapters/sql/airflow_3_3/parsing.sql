-- parsing: by bundle, its files' parse times and ages, and DAGs that are behind the bundle's version. A
-- file counts once however many DAGs it makes; its age is that of its newest parse. Bundles go by number and
-- files by a hash of their path: to group by texts costs twice as much. Cost: the DAGs, once.
WITH bundle AS MATERIALIZED (
  SELECT row_number() OVER (ORDER BY name) AS number, name, version, active, last_refreshed FROM dag_bundle
), parsed AS (
  SELECT
    f.number,
    count(*)::int AS files,
    sum(f.seconds)::float8 AS seconds,
    extract(epoch FROM now() - min(f.parsed))::float8 AS oldest,
    sum(f.behind)::int AS behind
  FROM (
    SELECT
      b.number,
      max(d.last_parse_duration) AS seconds,
      max(d.last_parsed_time) AS parsed,
      count(*) FILTER (WHERE d.bundle_version IS DISTINCT FROM b.version) AS behind
    FROM dag AS d
    JOIN bundle AS b ON b.name = d.bundle_name
    WHERE NOT d.is_stale
    GROUP BY b.number, hashtextextended(d.relative_fileloc, 0)
  ) AS f
  GROUP BY f.number
)
SELECT
  b.name AS bundle,
  extract(epoch FROM b.last_refreshed)::float8 AS refreshed,
  coalesce(p.files, 0) AS files,
  coalesce(p.seconds, 0) AS seconds,
  p.oldest,
  coalesce(p.behind, 0) AS behind,
  (SELECT count(*)::int FROM import_error AS e WHERE e.bundle_name = b.name) AS import_errors
FROM bundle AS b
LEFT JOIN parsed AS p USING (number)
WHERE b.active OR p.files > 0;
