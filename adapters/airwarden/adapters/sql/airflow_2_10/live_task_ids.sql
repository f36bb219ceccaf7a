-- live_task_ids: names of attempts that are under way, in one text per state, and under `ended` those that
-- ran within `lookback` seconds and are over. Task instances have no id in this release: the name is the
-- run's id, and a digest of task, map index and try. A task that is up for retry goes by its next try, as
-- later releases have it. Cost: the live ones by the index on state, the jobs that gave a sign of life by
-- the index on job_type and latest_heartbeat, and their runs by (dag_id, run_id).
WITH named AS (
  SELECT
    CASE
      WHEN t.state IN ('success', 'failed', 'skipped', 'removed', 'upstream_failed') THEN 'ended'
      ELSE t.state
    END AS state,
    r.id || '-' || md5(
      concat_ws(' ', t.task_id, t.map_index, t.try_number + (t.state = 'up_for_retry')::int)
    ) AS id
  FROM (
    SELECT dag_id, run_id, task_id, map_index, try_number, state
    FROM task_instance
    WHERE state IN (
      'scheduled', 'queued', 'running', 'restarting', 'deferred', 'up_for_retry', 'up_for_reschedule'
    )
    UNION ALL
    SELECT e.dag_id, e.run_id, e.task_id, e.map_index, e.try_number, e.state
    FROM job AS j
    JOIN task_instance AS e ON e.job_id = j.id
    WHERE j.job_type = 'LocalTaskJob'
      AND j.latest_heartbeat > now() - make_interval(secs => %(lookback)s)
      AND e.state IN ('success', 'failed', 'skipped', 'removed', 'upstream_failed')
  ) AS t
  JOIN dag_run AS r ON r.dag_id = t.dag_id AND r.run_id = t.run_id
)
SELECT state, string_agg(id, ' ') AS ids
FROM named
GROUP BY state;
