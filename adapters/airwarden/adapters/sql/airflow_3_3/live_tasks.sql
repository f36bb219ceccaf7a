-- live_tasks: unfinished task instances by state, queue, pool, slots that each takes, and whether its DAG
-- is paused (only asked for scheduled ones, of which no scheduler takes notice then; NULL: no such DAG).
-- With each: how many, the oldest time in that state, the longest silence of running ones, when one was
-- last queued, and how many exceed their limit. Beyond the 500 queues with most tasks the rest is one,
-- _overflow; folded says how many they are. Read once for all that asks for it. Cost: the live ones,
-- by the index on state, and the DAGs of the scheduled ones; the state NULL (not yet looked at) is left
-- out, since a large run has thousands of them.
WITH alike AS MATERIALIZED (
  SELECT
    state, queue, pool, pool_slots, paused,
    count(*) AS tasks,
    min(since) AS since,
    min(beat) AS beat,
    max(queued) AS queued,
    count(*) FILTER (WHERE state = 'queued' AND since < now() - make_interval(secs => %(queued)s))
      AS queued_long,
    count(*) FILTER (WHERE beat < now() - make_interval(secs => %(silent)s)) AS silent,
    count(*) FILTER (WHERE unattended AND since < now() - make_interval(secs => %(unattended)s))
      AS unattended
  FROM (
    SELECT
      t.state,
      coalesce(t.queue, 'default') AS queue,
      t.pool,
      t.pool_slots,
      CASE
        WHEN t.state = 'scheduled' THEN (SELECT d.is_paused FROM dag AS d WHERE d.dag_id = t.dag_id)
        ELSE false
      END AS paused,
      CASE t.state
        WHEN 'scheduled' THEN t.scheduled_dttm
        WHEN 'queued' THEN t.queued_dttm
        WHEN 'running' THEN t.start_date
        WHEN 'up_for_retry' THEN t.end_date
        ELSE t.updated_at
      END AS since,
      CASE WHEN t.state = 'running' THEN greatest(t.last_heartbeat_at, t.start_date) END AS beat,
      CASE WHEN t.state IN ('running', 'queued') THEN t.queued_dttm END AS queued,
      t.state = 'deferred' AND NOT EXISTS (
        SELECT 1
        FROM trigger AS g
        JOIN job AS j ON j.id = g.triggerer_id
        WHERE g.id = t.trigger_id
          AND j.state = 'running' AND j.latest_heartbeat >= now() - interval '1 minute'
      ) AS unattended
    FROM task_instance AS t
    WHERE t.state IN (
      'scheduled', 'queued', 'running', 'restarting', 'deferred', 'up_for_retry', 'up_for_reschedule',
      'awaiting_input'
    )
  ) AS live
  GROUP BY state, queue, pool, pool_slots, paused
), busiest AS MATERIALIZED (
  SELECT queue FROM alike GROUP BY queue ORDER BY sum(tasks) DESC, queue LIMIT 500
)
SELECT
  state,
  coalesce(b.queue, '_overflow') AS queue,
  pool,
  pool_slots,
  paused,
  sum(tasks)::int AS tasks,
  extract(epoch FROM now() - min(since))::float8 AS oldest,
  extract(epoch FROM now() - min(beat))::float8 AS silence,
  extract(epoch FROM max(queued))::float8 AS last_queued,
  sum(queued_long)::int AS queued_long,
  sum(silent)::int AS silent,
  sum(unattended)::int AS unattended,
  CASE WHEN b.queue IS NULL THEN count(*)::int ELSE 0 END AS folded
FROM alike
LEFT JOIN busiest AS b ON b.queue = alike.queue
GROUP BY state, b.queue, pool, pool_slots, paused;
