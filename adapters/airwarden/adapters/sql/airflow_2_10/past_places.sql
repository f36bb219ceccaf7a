-- past_places: the pools; see past_tasks.
SELECT 'pool' AS kind, pool AS name, hashtextextended(pool, 0) AS number FROM slot_pool
WHERE %(low)s::uuid IS NOT NULL;
