-- past_places: the names of queues and pools that unfinished and recent tasks were given, with the number by
-- which `past_tasks` names them. Cost: the pools, and the tasks of a day by the primary key.
SELECT 'pool' AS kind, pool AS name, hashtextextended(pool, 0) AS number FROM slot_pool
UNION
SELECT 'queue', coalesce(queue, 'default'), hashtextextended(coalesce(queue, 'default'), 0)
FROM task_instance
WHERE id >= %(low)s::uuid;
