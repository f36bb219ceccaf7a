-- open_run_ids: the ids of the runs that have not ended, in one text per state, and the present: thousands
-- of rows cost more to send than to find. OR, because IN would miss the partial indexes; each by itself would
-- be walked by its index, and touch a page again for each of its runs. Cost: the pages of the open runs.
SELECT
  string_agg(id::text, ' ') FILTER (WHERE state = 'running') AS running,
  string_agg(id::text, ' ') FILTER (WHERE state = 'queued') AS queued,
  now() AS now
FROM dag_run
WHERE state = 'running' OR state = 'queued';
