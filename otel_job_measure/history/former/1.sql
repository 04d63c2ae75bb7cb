-- The history: one row a run. Version 1.
--
-- Times are nanoseconds since 1970. Tags and fields that a row does not have are NULL.

CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    job TEXT NOT NULL,
    datacenter TEXT,
    project TEXT,
    stage TEXT,
    tags TEXT NOT NULL,          -- the further tags, a JSON object with sorted keys
    uuid TEXT NOT NULL,
    started_ns INTEGER,          -- NULL where the start row has not come (yet)
    ended_ns INTEGER,            -- NULL while the run is open
    status TEXT NOT NULL,        -- start (the run is open), end, failed
    reason TEXT,                 -- of a failed run; NULL also where only the old row was written
    success REAL,                -- 1.0, 0.0; NULL while the run is open
    duration_s REAL,             -- as the run measured it; NULL where only the old rows were written, and on lost
    host TEXT,
    trace_id TEXT,
    span_id TEXT,
    error_type TEXT,
    error_message TEXT,
    ending_rows INTEGER NOT NULL, -- which rows told of the ending: 1 scheduling-job, 2 scheduling-job-run, 3 both
    -- A run that was taken for lost and came back: the rows of the ending that was none.
    lost_ns INTEGER,
    lost_rows INTEGER NOT NULL,
    lost_reason TEXT,
    lost_host TEXT,
    settled INTEGER NOT NULL     -- 1 where another row of this run can only be one that has been seen already
);

-- A run is found by its times, and by its uuid only while it is not settled. An index over all uuids would have every
-- transaction write to as many of its pages as there are runs in it: uuids are random, and times come in order.
CREATE INDEX runs_by_start ON runs (started_ns);
CREATE INDEX runs_by_end ON runs (ended_ns);
CREATE INDEX runs_by_lost ON runs (lost_ns) WHERE lost_ns IS NOT NULL;
CREATE INDEX runs_unsettled ON runs (uuid) WHERE settled = 0;

-- How far each segment has been folded in.
CREATE TABLE segments (
    name TEXT PRIMARY KEY,
    folded INTEGER NOT NULL,     -- bytes from the segment's beginning
    at_ns INTEGER NOT NULL       -- when that was
) WITHOUT ROWID;

-- The further tags that any run has: the columns that the views have besides those of every row.
CREATE TABLE further_tags (
    name TEXT PRIMARY KEY
) WITHOUT ROWID;

-- The points that the runs stand for, so that the views can show of each series and time the one that came last.
CREATE VIEW old_points AS
SELECT id, 0 AS place, started_ns AS time, job, datacenter, project, stage, tags, uuid, 'start' AS status
FROM runs WHERE started_ns IS NOT NULL
UNION ALL
SELECT id, 1, lost_ns, job, datacenter, project, stage, tags, uuid, 'failed'
FROM runs WHERE lost_ns IS NOT NULL AND lost_rows & 1
UNION ALL
SELECT id, 2, ended_ns, job, datacenter, project, stage, tags, uuid, status
FROM runs WHERE ended_ns IS NOT NULL AND ending_rows & 1;

CREATE VIEW run_points AS
SELECT id, 1 AS place, lost_ns AS time, job, datacenter, project, stage, tags, 'failed' AS status, lost_reason AS reason,
    uuid, 0.0 AS success, NULL AS duration, lost_host AS host, NULL AS trace_id, NULL AS span_id, NULL AS error_type,
    NULL AS error_message
FROM runs WHERE lost_ns IS NOT NULL AND lost_rows & 2
UNION ALL
SELECT id, 2, ended_ns, job, datacenter, project, stage, tags, status, reason,
    uuid, success, duration_s, host, trace_id, span_id, error_type, error_message
FROM runs WHERE ended_ns IS NOT NULL AND ending_rows & 2;
