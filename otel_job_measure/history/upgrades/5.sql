-- From version 5 of the history to version 6. The views are made again afterwards. SQLite reads all runs once for this.

CREATE INDEX runs_without_success ON runs (job_id, started_ns, success, status, reason, error_type, ended_ns)
WHERE filed = 1 AND success IS NOT 1.0;
