-- past_dags: every DAG with its tags, limit of active runs, and the number by which `past_runs` and
-- `past_tasks` name it. Cost: the DAGs and their tags, once.
SELECT
  d.dag_id,
  hashtextextended(d.dag_id, 0) AS number,
  coalesce(d.is_paused, false) AS is_paused,
  NOT coalesce(d.is_active, false) AS is_stale,
  coalesce(d.max_active_runs, 16) AS max_active_runs,
  t.tags
FROM dag AS d
LEFT JOIN (SELECT dag_id, array_agg(name) AS tags FROM dag_tag GROUP BY dag_id) AS t USING (dag_id)
ORDER BY d.dag_id;
