-- latest_dag_version: the highest id, which carries its time (UUID version 7). Cost: the primary key's end.
-- The order is that of the column: a bare `id` would be the text, and sort the whole table.
SELECT v.id::text AS id FROM dag_version AS v ORDER BY v.id DESC LIMIT 1;
