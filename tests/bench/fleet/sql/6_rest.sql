-- rest: asset events of the runs that made them, and a tenth of the audit log that Airflow would have.
INSERT INTO asset_event (asset_id, extra, source_task_id, source_dag_id, source_run_id, source_map_index, timestamp)
SELECT a.id, '{}', 'task_' || r.tasks, r.dag_id, d.run_id, -1, r.end_date
FROM fleet_run AS r
JOIN dag_run AS d USING (id)
JOIN asset AS a ON a.name = 'asset_' || r.number
WHERE r.outlet AND r.state = 'success'
ORDER BY r.end_date;
INSERT INTO log (dttm, dag_id, task_id, map_index, event, run_id, owner, try_number)
SELECT t.began + t.slice, t.dag_id, 'task_' || t.k, -1, t.state, d.run_id, 'airflow', t.try_number
FROM fleet_task AS t JOIN dag_run AS d ON d.id = t.run
WHERE t.state = 'failed' OR t.n % 10 = 0
ORDER BY t.began;
