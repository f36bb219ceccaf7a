-- probe: the cheapest statement; how long it takes is the database's answer time.
SELECT 1 AS alive;
