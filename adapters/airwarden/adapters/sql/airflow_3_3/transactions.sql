-- transactions: sessions of this database that are in a transaction, by application: the longest, and
-- how many wait for a lock. Cost: pg_stat_activity.
SELECT
  coalesce(nullif(application_name, ''), 'none') AS application,
  coalesce(
    max(extract(epoch FROM clock_timestamp() - xact_start)) FILTER (WHERE pid <> pg_backend_pid()), 0
  )::float8 AS oldest,
  (count(*) FILTER (WHERE wait_event_type = 'Lock'))::int AS blocked
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND xact_start IS NOT NULL
GROUP BY 1;
