-- recent_run_ids: the latest ids, to learn which ones a transaction in flight has skipped. Cost: the
-- primary key's end.
SELECT id FROM dag_run ORDER BY id DESC LIMIT 1000;
