-- triggers: deferred work by the triggerer that has it (none: nobody has taken it); how many
-- wait for one, because there is none or it stopped beating, and for how long. Cost: the triggers, which
-- are as many as there is deferred work.
WITH taken AS (
  SELECT
    'default' AS queue,
    g.created_date,
    j.hostname,
    j.id IS NULL OR j.state <> 'running' OR j.latest_heartbeat < now() - interval '1 minute' AS waits
  FROM trigger AS g
  LEFT JOIN job AS j ON j.id = g.triggerer_id
)
SELECT
  coalesce(hostname, 'none') AS hostname,
  queue,
  count(*)::int AS triggers,
  (count(*) FILTER (WHERE waits))::int AS waiting,
  coalesce(max(extract(epoch FROM now() - created_date)) FILTER (WHERE waits), 0)::float8 AS oldest
FROM taken
GROUP BY 1, 2;
