-- From version 4 of the history to version 5. The views are made again afterwards. The index is empty at first, so that
-- this takes no long: `filing.py` puts the runs in, some at a time.

ALTER TABLE runs ADD COLUMN filed INTEGER;
CREATE INDEX runs_by_job ON runs (job_id, started_ns, success, reason, duration_s) WHERE filed = 1;
INSERT INTO pruning SELECT 'unfiled', 0, id FROM runs ORDER BY id DESC LIMIT 1;
