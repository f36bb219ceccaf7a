-- dag_patches: how often a DAG was changed over the REST API or the UI (paused or unpaused), so that
-- whoever paused it can see whether somebody touched it since. Cost: the index on event.
SELECT count(*)::int AS patches
FROM log
WHERE event IN ('patch_dag', 'paused') AND dag_id = %(dag_id)s;
