-- platform: the schema's revision, which changes with a migration of Airflow, and the server's clock,
-- by which heartbeats are stamped or read.
SELECT version_num AS schema_revision, clock_timestamp() AS now FROM alembic_version;
