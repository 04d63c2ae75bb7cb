-- The two measurements, row for row as InfluxDB has them. Made again whenever a further tag is seen first: each has a
-- column, which takes the place of the comment in both.
--
-- Of points of one series and time InfluxDB keeps what came last. Each NOT EXISTS looks for such a point in one of the
-- columns of times, by that column's index: asked of the points as a whole, it would read all runs for every question.

DROP VIEW IF EXISTS "scheduling-job";
CREATE VIEW "scheduling-job" AS
SELECT time, job, datacenter, project, stage, /* :further */ uuid, status
FROM old_points AS point
WHERE NOT EXISTS (
    SELECT 1 FROM runs AS later
    WHERE later.started_ns = point.time AND (later.id, 0) > (point.id, point.place)
        AND (later.job, later.datacenter, later.project, later.stage, later.tags)
            IS (point.job, point.datacenter, point.project, point.stage, point.tags)
)
AND NOT EXISTS (
    SELECT 1 FROM runs AS later
    WHERE later.lost_ns = point.time AND later.lost_rows & 1 AND (later.id, 1) > (point.id, point.place)
        AND (later.job, later.datacenter, later.project, later.stage, later.tags)
            IS (point.job, point.datacenter, point.project, point.stage, point.tags)
)
AND NOT EXISTS (
    SELECT 1 FROM runs AS later
    WHERE later.ended_ns = point.time AND later.ending_rows & 1 AND (later.id, 2) > (point.id, point.place)
        AND (later.job, later.datacenter, later.project, later.stage, later.tags)
            IS (point.job, point.datacenter, point.project, point.stage, point.tags)
);

DROP VIEW IF EXISTS "scheduling-job-run";
CREATE VIEW "scheduling-job-run" AS
SELECT time, job, datacenter, project, stage, /* :further */ status, reason,
    uuid, success, duration, host, trace_id, span_id, error_type, error_message
FROM run_points AS point
WHERE NOT EXISTS (
    SELECT 1 FROM runs AS later
    WHERE later.lost_ns = point.time AND later.lost_rows & 2 AND (later.id, 1) > (point.id, point.place)
        AND (later.job, later.datacenter, later.project, later.stage, later.tags, 'failed', later.lost_reason)
            IS (point.job, point.datacenter, point.project, point.stage, point.tags, point.status, point.reason)
)
AND NOT EXISTS (
    SELECT 1 FROM runs AS later
    WHERE later.ended_ns = point.time AND later.ending_rows & 2 AND (later.id, 2) > (point.id, point.place)
        AND (later.job, later.datacenter, later.project, later.stage, later.tags, later.status, later.reason)
            IS (point.job, point.datacenter, point.project, point.stage, point.tags, point.status, point.reason)
);
