-- The two measurements, row for row as InfluxDB has them. Made again whenever a further tag is seen first: each has a
-- column, which takes the place of :further in this text.

DROP VIEW IF EXISTS "scheduling-job";
CREATE VIEW "scheduling-job" AS
SELECT time, job, datacenter, project, stage, /* :further */ uuid, status
FROM old_points AS point
WHERE NOT EXISTS (
    SELECT 1 FROM old_points AS later
    WHERE later.time = point.time
        AND (later.id, later.place) > (point.id, point.place)
        AND later.job = point.job
        AND later.datacenter IS point.datacenter
        AND later.project IS point.project
        AND later.stage IS point.stage
        AND later.tags = point.tags
);

DROP VIEW IF EXISTS "scheduling-job-run";
CREATE VIEW "scheduling-job-run" AS
SELECT time, job, datacenter, project, stage, /* :further */ status, reason,
    uuid, success, duration, host, trace_id, span_id, error_type, error_message
FROM run_points AS point
WHERE NOT EXISTS (
    SELECT 1 FROM run_points AS later
    WHERE later.time = point.time
        AND (later.id, later.place) > (point.id, point.place)
        AND later.job = point.job
        AND later.datacenter IS point.datacenter
        AND later.project IS point.project
        AND later.stage IS point.stage
        AND later.tags = point.tags
        AND later.status = point.status
        AND later.reason IS point.reason
);
