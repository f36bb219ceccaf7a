-- runs: the newest ones of what each DAG would have run on each day, numbered as they were made; every
-- 997th id is skipped, as by a transaction that was rolled back. They start as the profile says of its platform: 95 of
-- 100 within three seconds after they were due (2.4 in an ordinary hour; 3.3 in the busiest of a month's end, when three
-- times as many are due).
CREATE TEMP TABLE fleet_run AS
WITH wanted AS (
  SELECT
    d.number, day.day, i,
    day.midnight
      + ((i - 1 + d.offset) / greatest(1, c.runs) + pg_temp.u(d.number, 11) * 0.001) * interval '1 day'
      AS run_after
  FROM fleet_dag AS d
  CROSS JOIN fleet_day AS day
  CROSS JOIN LATERAL (
    SELECT floor(d.per_day * day.weight + pg_temp.u(d.number * 1000 + day.day, 12))::int AS runs
  ) AS c
  CROSS JOIN LATERAL generate_series(1, c.runs) AS i
), past AS (
  SELECT w.*, row_number() OVER (ORDER BY w.run_after DESC, w.number) AS back
  FROM wanted AS w
  JOIN fleet_dag AS d USING (number)
  CROSS JOIN fleet_setting AS s
  WHERE w.run_after < s.now - greatest(d.gone_days * 86400, 20) * interval '1 s'
), kept AS (
  SELECT p.*, row_number() OVER (ORDER BY back DESC) AS place,
    -- How much is due beside it, of what is in an hour of an ordinary day.
    count(*) OVER (PARTITION BY date_trunc('hour', run_after)) / (s.factor * 25000 / 24) AS load
  FROM past AS p CROSS JOIN fleet_setting AS s WHERE p.back <= s.runs
)
SELECT
  k.place + k.place / 997 AS id, k.number, k.run_after, k.back,
  k.run_after + (0.3 - (0.55 + 0.15 * k.load) * ln(1 - pg_temp.u(k.place, 13))) * interval '1 s' AS start_date,
  d.seconds * (0.4 + 1.2 * pg_temp.u(k.place, 14)) AS seconds,
  pg_temp.u(k.place, 15) AS luck, d.tasks, d.dag_id, d.retries, d.queue, d.pool, d.type, d.outlet,
  CASE
    WHEN pg_temp.u(k.place, 16) < 0.005 THEN 'backfill'
    WHEN pg_temp.u(k.place, 16) < 0.01 THEN 'manual'
    ELSE d.run_type
  END AS run_type,
  CASE
    WHEN d.broken_deploy AND k.run_after BETWEEN s.deploy_began AND s.deploy_ended THEN 0.1
    ELSE d.success
  END AS success,
  CASE
    WHEN NOT d.broken_deploy OR k.run_after < s.deploy_began THEN pg_temp.uid(d.number, 1, s.now - interval '60 days')
    WHEN k.run_after < s.deploy_ended THEN pg_temp.uid(d.number, 2, s.deploy_began)
    ELSE pg_temp.uid(d.number, 3, s.deploy_ended)
  END AS version,
  NULL::text AS state, NULL::timestamptz AS end_date
FROM kept AS k
JOIN fleet_dag AS d USING (number)
CROSS JOIN fleet_setting AS s;
-- Open are the newest of DAGs that are not paused; the newest of all are still queued.
WITH open AS (
  SELECT r.id, row_number() OVER (ORDER BY r.back) AS place
  FROM fleet_run AS r JOIN dag USING (dag_id)
  WHERE NOT dag.is_paused AND NOT dag.is_stale AND NOT dag.has_import_errors
)
UPDATE fleet_run AS r
SET state = CASE WHEN o.place <= s.queued_runs THEN 'queued' ELSE 'running' END
FROM open AS o, fleet_setting AS s
WHERE o.id = r.id AND o.place <= s.queued_runs + s.running_runs;
UPDATE fleet_run AS r
SET state = CASE WHEN luck < success THEN 'success' ELSE 'failed' END,
  end_date = least(start_date + seconds * interval '1 s', s.now - luck * interval '60 s')
FROM fleet_setting AS s
WHERE state IS NULL;
UPDATE fleet_run SET start_date = least(start_date, end_date - interval '1 s') WHERE end_date IS NOT NULL;
INSERT INTO dag_run (
  id, dag_id, queued_at, logical_date, start_date, end_date, state, run_id, creating_job_id, run_type,
  triggered_by, data_interval_start, data_interval_end, run_after, last_scheduling_decision,
  log_template_id, created_at, updated_at, clear_number, created_dag_version_id
)
SELECT
  r.id, r.dag_id, r.run_after + interval '0.2 s',
  CASE WHEN r.run_type <> 'asset_triggered' THEN r.run_after END,
  CASE WHEN r.state <> 'queued' THEN r.start_date END, r.end_date, r.state,
  r.run_type || '__' || to_char(r.run_after AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'), 1, r.run_type,
  CASE r.run_type WHEN 'manual' THEN 'rest_api' WHEN 'asset_triggered' THEN 'asset' ELSE 'timetable' END,
  r.run_after, r.run_after, r.run_after, coalesce(r.end_date, s.now), NULL, r.run_after,
  coalesce(r.end_date, s.now), 0, r.version
FROM fleet_run AS r, fleet_setting AS s
ORDER BY r.id;
SELECT setval('dag_run_id_seq', (SELECT max(id) FROM dag_run) + 1);
