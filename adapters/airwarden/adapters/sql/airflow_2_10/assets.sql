-- assets: the last update of the named datasets (by URI), and the DAGs that make them. A dataset
-- that was never updated is as old as its first sight. Cost: one index look-up a dataset.
SELECT
  a.uri AS name,
  a.uri,
  coalesce(
    (SELECT max(e.timestamp) FROM dataset_event AS e WHERE e.dataset_id = a.id), a.created_at
  ) AS updated,
  (
    SELECT array_agg(DISTINCT o.dag_id) FROM task_outlet_dataset_reference AS o WHERE o.dataset_id = a.id
  ) AS makers
FROM dataset AS a
WHERE a.uri = ANY(%(names)s::text[]);
