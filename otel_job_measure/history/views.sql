-- The two measurements, row for row as InfluxDB has them. They are made again when a further tag is seen first: the
-- comments stand for its column, and for the columns of the fields in otel_job_measure/points/fields.py.

-- The points that the runs stand for.
DROP VIEW IF EXISTS old_points;
CREATE VIEW old_points AS
SELECT id, 0 AS place, started_ns AS time, job, datacenter, project, stage, tags, uuid, 'start' AS status
FROM runs WHERE started_ns IS NOT NULL
UNION ALL
SELECT id, 1, lost_ns, job, datacenter, project, stage, tags, uuid, lost_status
FROM runs WHERE lost_ns IS NOT NULL AND lost_rows & 1
UNION ALL
SELECT id, 2, ended_ns, job, datacenter, project, stage, tags, uuid, status
FROM runs WHERE ended_ns IS NOT NULL AND ending_rows & 1;

DROP VIEW IF EXISTS run_points;
CREATE VIEW run_points AS
SELECT id, 1 AS place, lost_ns AS time, job, datacenter, project, stage, tags, lost_status AS status,
    lost_reason AS reason, uuid /* :lost_fields */
FROM runs WHERE lost_ns IS NOT NULL AND lost_rows & 2
UNION ALL
SELECT id, 2, ended_ns, job, datacenter, project, stage, tags, status, reason, uuid /* :ending_fields */
FROM runs WHERE ended_ns IS NOT NULL AND ending_rows & 2;

-- Of points of one series and time InfluxDB keeps the one that came last. Each NOT EXISTS looks for such a point by the
-- index of one of the columns of times: over the points as a whole, it would read all runs for every question.
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
SELECT time, job, datacenter, project, stage, /* :further */ status, reason, uuid /* :fields */
FROM run_points AS point
WHERE NOT EXISTS (
    SELECT 1 FROM runs AS later
    WHERE later.lost_ns = point.time AND later.lost_rows & 2 AND (later.id, 1) > (point.id, point.place)
        AND (later.job, later.datacenter, later.project, later.stage, later.tags, later.lost_status, later.lost_reason)
            IS (point.job, point.datacenter, point.project, point.stage, point.tags, point.status, point.reason)
)
AND NOT EXISTS (
    SELECT 1 FROM runs AS later
    WHERE later.ended_ns = point.time AND later.ending_rows & 2 AND (later.id, 2) > (point.id, point.place)
        AND (later.job, later.datacenter, later.project, later.stage, later.tags, later.status, later.reason)
            IS (point.job, point.datacenter, point.project, point.stage, point.tags, point.status, point.reason)
);
