-- probe: the cheapest statement; how long it takes is the answer time of the database.
SELECT 1 AS alive;
