-- table_stats: size, dead rows, last vacuum and transaction age of Airflow's tables that grow or that
-- scheduling rests on. Cost: the catalogue, and the sizes of these tables' files.
SELECT
  c.relname AS "table",
  pg_total_relation_size(c.oid)::bigint AS bytes,
  coalesce(s.n_live_tup, 0)::bigint AS live,
  coalesce(s.n_dead_tup, 0)::bigint AS dead,
  extract(epoch FROM greatest(s.last_autovacuum, s.last_vacuum))::float8 AS vacuumed,
  age(c.relfrozenxid)::bigint AS xid_age
FROM unnest(
  ARRAY[
    'dag', 'dag_run', 'task_instance', 'task_instance_history', 'task_reschedule', 'log', 'job',
    'trigger', 'xcom', 'rendered_task_instance_fields', 'serialized_dag', 'dag_version', 'asset_event',
    'dagrun_asset_event', 'deadline', 'dataset_event'
  ]
) AS n(name)
JOIN pg_class AS c ON c.oid = to_regclass(n.name)
LEFT JOIN pg_stat_user_tables AS s ON s.relid = c.oid;
