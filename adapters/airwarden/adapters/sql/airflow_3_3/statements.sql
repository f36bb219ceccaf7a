-- statements: execution time and calls of each kind of statement in this database, without its text.
-- Cost: the shared memory of pg_stat_statements, at most some thousand entries.
SELECT
  queryid::text AS fingerprint,
  (sum(total_exec_time) / 1000)::float8 AS seconds,
  sum(calls)::bigint AS calls
FROM pg_stat_statements(false)
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND queryid IS NOT NULL
GROUP BY queryid;
