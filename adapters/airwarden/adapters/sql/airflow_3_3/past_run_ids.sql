-- past_run_ids: the lowest and the highest id. Cost: both ends of the primary key.
SELECT (SELECT min(id) FROM dag_run) AS lowest, (SELECT max(id) FROM dag_run) AS highest;
