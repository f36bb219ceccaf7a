-- connections: client sessions of the whole server, since its limit is the whole server's; without
-- pg_monitor the state of other roles' sessions reads unknown, and their kind is hidden: what has a
-- database is a client then.
SELECT
  coalesce(state, 'unknown') AS state,
  coalesce(nullif(application_name, ''), 'none') AS application,
  coalesce(usename, 'none') AS role,
  count(*)::int AS sessions,
  (
    current_setting('max_connections')::int
    - current_setting('superuser_reserved_connections')::int
    - coalesce(current_setting('reserved_connections', true)::int, 0)
  ) AS connections_max
FROM pg_stat_activity
WHERE backend_type = 'client backend' OR (backend_type IS NULL AND datid IS NOT NULL)
GROUP BY 1, 2, 3;
