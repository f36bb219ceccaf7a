-- truth_begin: what has ended or begun by now does not count; each end of a run is written down.
CREATE SCHEMA truth;
CREATE TABLE truth.run_end (dag_id text, run int, state text, at timestamptz);
CREATE TABLE truth.old_end AS
SELECT id FROM task_instance WHERE state IN ('success', 'failed', 'skipped', 'upstream_failed', 'removed')
UNION ALL SELECT task_instance_id FROM task_instance_history;
CREATE TABLE truth.old_start AS
SELECT id FROM task_instance
WHERE state IN ('running', 'restarting', 'deferred', 'up_for_reschedule', 'success', 'failed')
UNION ALL SELECT task_instance_id FROM task_instance_history;
-- With the rights of whoever made it: Airflow, whose updates set it off, has none in this schema.
CREATE FUNCTION truth.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF NEW.state IN ('success', 'failed') AND (TG_OP = 'INSERT' OR OLD.state NOT IN ('success', 'failed')) THEN
    INSERT INTO truth.run_end VALUES (NEW.dag_id, NEW.id, NEW.state, clock_timestamp());
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER truth_note AFTER INSERT OR UPDATE OF state ON dag_run
FOR EACH ROW EXECUTE FUNCTION truth.note();
