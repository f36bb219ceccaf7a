-- jobs: schedulers, triggerers and dag-processors in state running; the table is small.
SELECT id, job_type, hostname, start_date, latest_heartbeat
FROM job
WHERE state = 'running' AND job_type IN ('SchedulerJob', 'TriggererJob', 'DagProcessorJob');
