-- sessions: the client sessions of this database except our own, who waits for whom, and who holds
-- what scheduling needs. The scheduler's critical section takes the advisory lock 2
-- (DBLocks.SCHEDULER_CRITICAL_SECTION) and the rows of slot_pool FOR UPDATE NOWAIT; a session that
-- sits on either stops scheduling although nobody waits for it, so pg_blocking_pids() shows nothing.
-- Cost: pg_stat_activity and pg_locks only; pg_blocking_pids() is asked for waiting sessions alone.
WITH waiting AS MATERIALIZED (
  SELECT w.pid AS waiter, unnest(pg_blocking_pids(w.pid)) AS holder
  FROM pg_stat_activity AS w
  WHERE w.datname = current_database() AND w.wait_event_type = 'Lock'
), holders AS MATERIALIZED (
  SELECT DISTINCT l.pid
  FROM pg_locks AS l
  WHERE l.granted
    AND (
      (l.locktype = 'advisory' AND l.classid = 0 AND l.objid = 2 AND l.objsubid = 1)
      OR (
        l.locktype = 'relation'
        AND l.relation = to_regclass('slot_pool')
        AND l.mode <> 'AccessShareLock'
      )
    )
)
SELECT
  a.pid,
  a.backend_start,
  a.xact_start,
  coalesce(a.state, 'unknown') AS state,
  greatest(0, coalesce(extract(epoch FROM clock_timestamp() - a.state_change), 0))::float8
    AS state_age,
  coalesce(a.application_name, '') AS application,
  coalesce(a.usename, '') AS "user",
  coalesce(host(a.client_addr) || ':' || a.client_port, '') AS client,
  left(coalesce(a.query, ''), 200) AS query,
  (a.pid IN (SELECT pid FROM holders)) AS holds_scheduler_lock,
  (SELECT array_agg(DISTINCT waiter ORDER BY waiter) FROM waiting WHERE holder = a.pid) AS blocks
FROM pg_stat_activity AS a
WHERE a.datname = current_database()
  -- Of a session that we have no right to see the kind is hidden, too.
  AND coalesce(a.backend_type, 'client backend') = 'client backend'
  AND a.pid <> pg_backend_pid()
  AND coalesce(a.application_name, '') <> %(application)s
ORDER BY a.pid;
