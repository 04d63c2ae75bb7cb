-- From version 1 of the history to version 2. The views are made again afterwards.

DROP VIEW IF EXISTS "scheduling-job";
DROP VIEW IF EXISTS "scheduling-job-run";
DROP VIEW IF EXISTS old_points;
DROP VIEW IF EXISTS run_points;

ALTER TABLE runs ADD COLUMN destination TEXT;
ALTER TABLE runs ADD COLUMN attempt INTEGER;
ALTER TABLE runs ADD COLUMN lag_s REAL;
ALTER TABLE runs ADD COLUMN queued_s REAL;
ALTER TABLE runs ADD COLUMN "trigger" TEXT;
ALTER TABLE runs ADD COLUMN task_id TEXT;

ALTER TABLE runs RENAME COLUMN lost_host TO lost_values;
ALTER TABLE runs ADD COLUMN lost_status TEXT;
UPDATE runs SET lost_status = 'failed', lost_values = json_object('host', lost_values) WHERE lost_ns IS NOT NULL;
