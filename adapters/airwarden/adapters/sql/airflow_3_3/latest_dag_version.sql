-- latest_dag_version: the highest id, which carries its time (UUID version 7). Cost: the primary key's end.
SELECT id::text AS id FROM dag_version ORDER BY id DESC LIMIT 1;
