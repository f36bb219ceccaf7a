-- begin: a number between 0 and 1 that depends on its two arguments and the seed alone, a version 7 uuid
-- likewise, and the fleet's own tables. `fleet_setting` and `fleet_dag` are filled before this.
CREATE FUNCTION pg_temp.u(n bigint, salt int) RETURNS float8 LANGUAGE sql STABLE AS $$
  SELECT (hashint8extended(n, salt * 1000003 + current_setting('fleet.seed')::bigint) & 1073741823)
    / 1073741824.0::float8
$$;
CREATE FUNCTION pg_temp.uid(n bigint, salt int, at timestamptz) RETURNS uuid LANGUAGE sql STABLE AS $$
  SELECT (
    lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7'
    || substr(md5(n::text || '/' || salt::text || '/' || current_setting('fleet.seed')), 1, 3)
    || 'a' || substr(md5(salt::text || '/' || n::text), 1, 15)
  )::uuid
$$;
CREATE TEMP TABLE fleet_day AS
SELECT
  day,
  date_trunc('day', s.now) - day * interval '1 day' AS midnight,
  -- Weekends are quiet; the last and the first day of a month are not.
  CASE extract(isodow FROM s.now - day * interval '1 day') WHEN 6 THEN 0.55 WHEN 7 THEN 0.45 ELSE 1.0 END
  * CASE
    WHEN extract(day FROM s.now - day * interval '1 day') = 1
      OR extract(day FROM s.now - day * interval '1 day' + interval '1 day') = 1 THEN 1.8
    ELSE 1.0
  END AS weight
FROM fleet_setting AS s, generate_series(0, s.days) AS day;
