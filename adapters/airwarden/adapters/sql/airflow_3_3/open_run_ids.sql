-- open_run_ids: the ids of the runs that have not ended, in one text per state, and the present: thousands
-- of rows cost more to send than to find. Two branches, because one IN would miss the partial indexes.
SELECT 'running' AS state, string_agg(id::text, ' ') AS ids, now() AS now
FROM dag_run
WHERE state = 'running'
UNION ALL
SELECT 'queued', string_agg(id::text, ' '), now() FROM dag_run WHERE state = 'queued';
