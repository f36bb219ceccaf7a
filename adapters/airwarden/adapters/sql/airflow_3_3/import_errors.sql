-- import_errors: how many DAG files cannot be imported; the table holds one row a file.
SELECT count(*) AS errors FROM import_error;
