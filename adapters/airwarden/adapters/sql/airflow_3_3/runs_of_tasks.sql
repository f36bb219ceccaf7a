-- runs_of_tasks: the runs that these task instances belong to, or belonged to before they were replaced.
-- Cost: primary keys.
SELECT DISTINCT r.id
FROM (
  SELECT dag_id, run_id FROM task_instance WHERE id = ANY(%(tasks)s::uuid[])
  UNION
  SELECT dag_id, run_id FROM task_instance_history WHERE task_instance_id = ANY(%(tasks)s::uuid[])
) AS t
JOIN dag_run AS r ON r.dag_id = t.dag_id AND r.run_id = t.run_id;
