-- live_task_ids: the ids of task instances that are under way, in one text per state, and under `ended`
-- those that ran within `lookback` seconds and are over. Cost: the live ones by the index on state, and
-- those that gave a sign of life by the index on last_heartbeat_at, which each start writes too; both in one
-- walk, since most of the latter are among the former.
SELECT
  CASE
    WHEN state IN ('success', 'failed', 'skipped', 'removed', 'upstream_failed') THEN 'ended'
    ELSE state
  END AS state,
  string_agg(id::text, ' ') AS ids
FROM task_instance
WHERE state IN (
    'scheduled', 'queued', 'running', 'restarting', 'deferred', 'up_for_retry', 'up_for_reschedule',
    'awaiting_input'
  )
  OR (
    last_heartbeat_at > now() - make_interval(secs => %(lookback)s)
    AND state IN ('success', 'failed', 'skipped', 'removed', 'upstream_failed')
  )
GROUP BY 1;
