-- asset_reports: what tasks reported with the assets they updated (the key airwarden of extra), of the
-- events above an id; nothing else of extra is read. Cost: the events since, by primary key, a thousand
-- at most.
SELECT e.id, a.name AS asset, e.timestamp, e.source_dag_id AS dag_id, e.extra -> 'airwarden' AS said
FROM asset_event AS e
JOIN asset AS a ON a.id = e.asset_id
WHERE e.id > %(after)s AND e.id <= %(until)s AND (e.extra -> 'airwarden') IS NOT NULL
ORDER BY e.id
LIMIT 1000;
