-- database_stats: PostgreSQL's counters of this database since they were last reset, the age of its
-- oldest unfrozen transaction id, and its size. Cost: one row of pg_stat_database.
SELECT
  s.xact_commit,
  s.xact_rollback,
  s.blks_hit,
  s.blks_read,
  s.tup_returned,
  s.tup_fetched,
  s.tup_inserted,
  s.tup_updated,
  s.tup_deleted,
  s.temp_bytes,
  s.deadlocks,
  s.conflicts,
  age(d.datfrozenxid)::bigint AS xid_age
FROM pg_stat_database AS s
JOIN pg_database AS d ON d.oid = s.datid
WHERE s.datname = current_database();
