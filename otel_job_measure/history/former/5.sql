-- The history: one row a run. Version 5; tests compare the columns with otel_job_measure/points/fields.py.
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
    destination TEXT,            -- the id of the destination that the rows were written for
    started_ns INTEGER,          -- NULL if the start row has not come (yet)
    ended_ns INTEGER,            -- NULL while the run is open
    status TEXT NOT NULL,        -- start (the run is open), end, failed
    reason TEXT,                 -- of a failed run, NULL also if only scheduling-job was written
    success REAL,                -- 1.0, 0.0, NULL while the run is open and for reasons that are no ending of the job
    duration_s REAL,             -- as the run measured it, NULL if only scheduling-job was written, and on lost
    host TEXT,
    attempt INTEGER,
    lag_s REAL,
    queued_s REAL,
    "trigger" TEXT,
    task_id TEXT,
    trace_id TEXT,
    span_id TEXT,
    error_type TEXT,
    error_message TEXT,
    ending_rows INTEGER NOT NULL, -- which rows told of the ending: 1 scheduling-job, 2 scheduling-job-run, 3 both
    -- The ending that does not count: as a rule of a run that was taken for lost and came back.
    lost_ns INTEGER,
    lost_rows INTEGER NOT NULL,
    lost_status TEXT,
    lost_reason TEXT,
    lost_values TEXT,            -- its other columns, a JSON object
    settled INTEGER NOT NULL,    -- 1 if the run has a start and an ending that is not a guess
    job_id INTEGER,              -- of `jobs`, so that counting compares no texts; NULL in rows of former versions
    filed INTEGER                -- 1 if the run is in the index by job; NULL in rows of former versions at first
);

-- The jobs that any run has. A job is its name, project and stage.
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY,
    job TEXT NOT NULL,
    project TEXT NOT NULL,       -- empty if the run has none
    stage TEXT NOT NULL
);
CREATE UNIQUE INDEX jobs_by_name ON jobs (job, project, stage);

-- A run is found by its times, and by its uuid only while it is not settled. An index over all uuids would have every
-- transaction write to as many of its pages as there are runs in it: uuids are random, and times come in order.
CREATE INDEX runs_by_start ON runs (started_ns);
CREATE INDEX runs_by_end ON runs (ended_ns);
CREATE INDEX runs_by_lost ON runs (lost_ns) WHERE lost_ns IS NOT NULL;
CREATE INDEX runs_unsettled ON runs (uuid) WHERE settled = 0;

-- Questions about one job go by this index. It has what counting needs, which then reads no rows.
CREATE INDEX runs_by_job ON runs (job_id, started_ns, success, reason, duration_s) WHERE filed = 1;

-- How far each segment has been folded in.
CREATE TABLE segments (
    name TEXT PRIMARY KEY,
    folded INTEGER NOT NULL,     -- bytes from the segment's beginning
    at_ns INTEGER NOT NULL       -- when that was
) WITHOUT ROWID;

-- The further tags that any run has: each is a column of the views.
CREATE TABLE further_tags (
    name TEXT PRIMARY KEY
) WITHOUT ROWID;

-- The last run and the last success of each job, which pruning leaves. A job is its name, project and stage.
CREATE TABLE last_runs (
    job TEXT NOT NULL,
    project TEXT NOT NULL,       -- empty if the run has none
    stage TEXT NOT NULL,
    what TEXT NOT NULL,          -- run, success
    at_ns INTEGER NOT NULL,      -- when it started, or ended if the start is unknown
    uuid TEXT NOT NULL,
    PRIMARY KEY (job, project, stage, what)
) WITHOUT ROWID;

-- The end of what a failed command wrote to stdout and stderr (`exec --keep-output`). It goes with its run.
CREATE TABLE output (
    run_id INTEGER NOT NULL,
    stream TEXT NOT NULL,        -- stdout, stderr
    data BLOB NOT NULL,
    PRIMARY KEY (run_id, stream)
);

-- How far pruning has come, and what it has told.
CREATE TABLE pruning (
    -- ended_ns, started_ns: the index that it goes through; gap, future: what was logged; unfiled: up to which run_id
    -- runs may not be in the index by job
    what TEXT PRIMARY KEY,
    at_ns INTEGER NOT NULL,
    run_id INTEGER NOT NULL
) WITHOUT ROWID;

-- What the monitor found. A job is its name, project and stage; project and stage are empty if it has none.
CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    job TEXT NOT NULL,
    project TEXT NOT NULL,
    stage TEXT NOT NULL,
    event TEXT NOT NULL,
    at_ns INTEGER NOT NULL,      -- the due time, the start plus the limit, or the start that cleared a finding
    due_ns INTEGER,
    uuid TEXT,
    detail TEXT NOT NULL,
    withdrawn INTEGER NOT NULL
);
CREATE UNIQUE INDEX events_by_time ON events (at_ns, job, project, stage, event);

-- The last state of each job.
CREATE TABLE states (
    job TEXT NOT NULL,
    project TEXT NOT NULL,
    stage TEXT NOT NULL,
    at_ns INTEGER NOT NULL,      -- when it was found
    state TEXT NOT NULL,
    level INTEGER NOT NULL,
    since_ns INTEGER NOT NULL,
    due_ns INTEGER,
    PRIMARY KEY (job, project, stage)
) WITHOUT ROWID;

-- What each source says of each job, in its last version.
CREATE TABLE expected (
    job TEXT NOT NULL,
    project TEXT NOT NULL,
    stage TEXT NOT NULL,
    source TEXT NOT NULL,
    origin TEXT NOT NULL,        -- a service's name or a file's path; empty if unknown
    host TEXT NOT NULL,          -- empty if a run on any host counts
    at_ns INTEGER NOT NULL,
    version INTEGER NOT NULL,
    expected TEXT NOT NULL,      -- the expectation, its versions and due times, a JSON object
    PRIMARY KEY (job, project, stage, source, origin, host)
) WITHOUT ROWID;

-- The last sign of life of each open run.
CREATE TABLE alive (
    uuid TEXT NOT NULL,
    job TEXT NOT NULL,
    project TEXT NOT NULL,
    stage TEXT NOT NULL,
    at_ns INTEGER NOT NULL,
    host TEXT NOT NULL,
    age_s REAL NOT NULL,
    interval_s REAL NOT NULL,
    PRIMARY KEY (uuid, job, project, stage)
) WITHOUT ROWID;

-- The last word of each host's processes that send rows.
CREATE TABLE senders (
    host TEXT PRIMARY KEY,
    at_ns INTEGER NOT NULL,
    complete_until_ns INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    "left" INTEGER NOT NULL
) WITHOUT ROWID;
