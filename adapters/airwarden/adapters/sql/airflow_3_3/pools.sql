-- pools: the pools and their slots; what is in them tells `live_tasks`. Cost: a small table.
SELECT pool AS name, slots, include_deferred, extract(epoch FROM now())::float8 AS now
FROM slot_pool
ORDER BY pool;
