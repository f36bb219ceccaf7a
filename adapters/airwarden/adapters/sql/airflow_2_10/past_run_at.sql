-- past_run_at: the first run from an id on, to find by halving where a moment lies. Cost: one row by the
-- primary key.
SELECT id, extract(epoch FROM coalesce(queued_at, execution_date))::float8 AS created
FROM dag_run
WHERE id >= %(id)s
ORDER BY id
LIMIT 1;
