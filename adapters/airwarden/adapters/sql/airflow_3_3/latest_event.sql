-- latest_event: the highest id of the audit log. Cost: the primary key's end.
SELECT coalesce(max(id), 0)::bigint AS id FROM log;
