-- locks: locks of this database by mode, and how many the server has room for. Cost: pg_locks.
SELECT
  mode,
  count(*)::int AS locks,
  (
    current_setting('max_locks_per_transaction')::bigint
    * (
      current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint
    )
  ) AS locks_max
FROM pg_locks
WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database())
GROUP BY mode;
