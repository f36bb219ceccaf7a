-- deadlines: this release has none. Cost: nothing.
SELECT NULL::text AS id, NULL::text AS dag_id, false AS missed, NULL::float8 AS remaining, NULL::float8 AS expected
WHERE false;
