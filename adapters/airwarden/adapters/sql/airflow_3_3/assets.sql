-- assets: the last update of the named assets (by name or URI), and the DAGs that make them. An asset
-- that was never updated is as old as its first sight. Cost: one index look-up an asset.
SELECT
  a.name,
  a.uri,
  coalesce(
    (SELECT max(e.timestamp) FROM asset_event AS e WHERE e.asset_id = a.id), a.created_at
  ) AS updated,
  (
    SELECT array_agg(DISTINCT o.dag_id) FROM task_outlet_asset_reference AS o WHERE o.asset_id = a.id
  ) AS makers
FROM asset AS a
WHERE a.name = ANY(%(names)s::text[]) OR a.uri = ANY(%(names)s::text[]);
