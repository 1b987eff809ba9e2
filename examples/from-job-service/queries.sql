-- The three queries of the job service's users.
SELECT status, COUNT(*) FROM processing_jobs GROUP BY status;

SELECT id, job_type, status, queued_at, started_at FROM processing_jobs
WHERE (status = 'pending' AND queued_at < NOW() - INTERVAL '2 hours')
   OR (status = 'running' AND started_at < NOW() - INTERVAL '2 hours');

SELECT job_type, AVG(EXTRACT(EPOCH FROM (completed_at - started_at))) AS avg_seconds
FROM processing_jobs WHERE status = 'completed' GROUP BY job_type;
