-- From version 2 of the history to version 3. The views are made again afterwards.

CREATE TABLE last_runs (
    job TEXT NOT NULL,
    project TEXT NOT NULL,
    stage TEXT NOT NULL,
    what TEXT NOT NULL,
    at_ns INTEGER NOT NULL,
    uuid TEXT NOT NULL,
    PRIMARY KEY (job, project, stage, what)
) WITHOUT ROWID;

CREATE TABLE output (
    run_id INTEGER NOT NULL,
    stream TEXT NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (run_id, stream)
);

CREATE TABLE pruning (
    what TEXT PRIMARY KEY,
    at_ns INTEGER NOT NULL,
    run_id INTEGER NOT NULL
) WITHOUT ROWID;

INSERT INTO last_runs
SELECT job, ifnull(project, ''), ifnull(stage, ''), 'run', max(ifnull(started_ns, ended_ns)), uuid
FROM runs WHERE ifnull(started_ns, ended_ns) IS NOT NULL GROUP BY 1, 2, 3;
INSERT INTO last_runs
SELECT job, ifnull(project, ''), ifnull(stage, ''), 'success', max(ifnull(started_ns, ended_ns)), uuid
FROM runs WHERE success = 1.0 GROUP BY 1, 2, 3;
