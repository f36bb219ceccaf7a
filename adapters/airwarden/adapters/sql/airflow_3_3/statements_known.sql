-- statements_known: whether PostgreSQL counts statements here (the extension pg_stat_statements).
SELECT
  to_regclass('pg_stat_statements') IS NOT NULL
  AND position('pg_stat_statements' IN current_setting('shared_preload_libraries')) > 0 AS known;
