-- runs_of_tasks: the runs of attempts by their names: see live_task_ids. Cost: primary keys.
SELECT r.id
FROM dag_run AS r
WHERE r.id IN (SELECT split_part(name, '-', 1)::int FROM unnest(%(tasks)s::text[]) AS t(name));
