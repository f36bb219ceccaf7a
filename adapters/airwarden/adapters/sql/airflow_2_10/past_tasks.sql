-- past_tasks: nothing. Before Airflow 3 a task instance has no id that goes with time and no index on a
-- moment, so that a piece of the past could be found only by reading the whole table.
SELECT
  0::int8 AS dag,
  0::int8 AS queue,
  0::int8 AS pool,
  0::int2 AS state,
  0::int2 AS retried,
  '-infinity'::timestamptz AS scheduled,
  '-infinity'::timestamptz AS queued,
  '-infinity'::timestamptz AS started,
  '-infinity'::timestamptz AS ended
WHERE false AND %(low)s::uuid < %(high)s::uuid
