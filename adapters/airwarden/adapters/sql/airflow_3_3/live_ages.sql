-- live_ages: how long the oldest unfinished task of each state and queue has been in that state, the
-- oldest heartbeat of running ones, and how many exceed their limit. A scheduled task of a paused DAG
-- waits for nobody and is left out. Cost: the live task instances, by the index on state, and the DAGs
-- of the scheduled ones.
WITH live AS MATERIALIZED (
  SELECT
    t.state,
    coalesce(t.queue, 'default') AS queue,
    extract(
      epoch FROM now() - CASE t.state
        WHEN 'scheduled' THEN t.scheduled_dttm
        WHEN 'queued' THEN t.queued_dttm
        WHEN 'running' THEN t.start_date
        WHEN 'up_for_retry' THEN t.end_date
        ELSE t.updated_at
      END
    )::float8 AS age,
    CASE
      WHEN t.state = 'running'
        THEN extract(epoch FROM now() - greatest(t.last_heartbeat_at, t.start_date))::float8
    END AS silence,
    t.state = 'deferred' AND (
      j.id IS NULL OR j.state <> 'running' OR j.latest_heartbeat < now() - interval '1 minute'
    ) AS unattended
  FROM task_instance AS t
  LEFT JOIN trigger AS g ON g.id = t.trigger_id
  LEFT JOIN job AS j ON j.id = g.triggerer_id
  WHERE t.state IN ('scheduled', 'queued', 'running', 'deferred', 'up_for_retry')
    AND NOT (
      t.state = 'scheduled'
      AND coalesce((SELECT d.is_paused FROM dag AS d WHERE d.dag_id = t.dag_id), false)
    )
)
SELECT
  state,
  queue,
  max(age) AS oldest,
  max(silence) AS silence,
  (count(*) FILTER (WHERE state = 'queued' AND age > %(queued)s))::int AS queued_long,
  (count(*) FILTER (WHERE silence > %(silent)s))::int AS silent,
  (count(*) FILTER (WHERE unattended AND age > %(unattended)s))::int AS unattended
FROM live
GROUP BY state, queue;
