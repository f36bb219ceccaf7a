-- replication: replicas of this server and how far they are behind; this server itself (self) where it
-- is a replica; and WAL that replication slots hold back. An idle replica has no lag. Cost: statistics.
WITH here AS MATERIALIZED (
  SELECT CASE
    WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
    ELSE pg_current_wal_lsn()
  END AS lsn
)
SELECT
  'replica' AS kind,
  coalesce(nullif(application_name, ''), host(client_addr), 'local') AS name,
  coalesce(extract(epoch FROM replay_lag), 0)::float8 AS value
FROM pg_stat_replication
UNION ALL
SELECT
  'replica',
  'self',
  CASE
    WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
      AND EXISTS (SELECT 1 FROM pg_stat_wal_receiver) THEN 0
    -- A server that has replayed nothing since it started is behind for as long as that, as far as can be told.
    ELSE extract(epoch FROM now() - coalesce(pg_last_xact_replay_timestamp(), pg_postmaster_start_time()))
  END::float8
WHERE pg_is_in_recovery()
UNION ALL
SELECT 'slot', slot_name, coalesce(pg_wal_lsn_diff(here.lsn, restart_lsn), 0)::float8
FROM pg_replication_slots, here;
