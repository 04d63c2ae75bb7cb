-- From version 3 of the history to version 4. The views are made again afterwards.

CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    job TEXT NOT NULL,
    project TEXT NOT NULL,
    stage TEXT NOT NULL,
    event TEXT NOT NULL,
    at_ns INTEGER NOT NULL,
    due_ns INTEGER,
    uuid TEXT,
    detail TEXT NOT NULL,
    withdrawn INTEGER NOT NULL
);
CREATE UNIQUE INDEX events_by_time ON events (at_ns, job, project, stage, event);

CREATE TABLE states (
    job TEXT NOT NULL,
    project TEXT NOT NULL,
    stage TEXT NOT NULL,
    at_ns INTEGER NOT NULL,
    state TEXT NOT NULL,
    level INTEGER NOT NULL,
    since_ns INTEGER NOT NULL,
    due_ns INTEGER,
    PRIMARY KEY (job, project, stage)
) WITHOUT ROWID;

CREATE TABLE expected (
    job TEXT NOT NULL,
    project TEXT NOT NULL,
    stage TEXT NOT NULL,
    source TEXT NOT NULL,
    origin TEXT NOT NULL,
    host TEXT NOT NULL,
    at_ns INTEGER NOT NULL,
    version INTEGER NOT NULL,
    expected TEXT NOT NULL,
    PRIMARY KEY (job, project, stage, source, origin, host)
) WITHOUT ROWID;

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

CREATE TABLE senders (
    host TEXT PRIMARY KEY,
    at_ns INTEGER NOT NULL,
    complete_until_ns INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    "left" INTEGER NOT NULL
) WITHOUT ROWID;

ALTER TABLE runs ADD COLUMN job_id INTEGER;

CREATE TABLE jobs (
    id INTEGER PRIMARY KEY,
    job TEXT NOT NULL,
    project TEXT NOT NULL,
    stage TEXT NOT NULL
);
CREATE UNIQUE INDEX jobs_by_name ON jobs (job, project, stage);
