-- name: latest
-- The latest runs, newest first. A run whose start is not known counts from its end.
SELECT job, datacenter, project, stage, tags, uuid, started_ns, ended_ns, status, reason, duration_s,
    host, trace_id, span_id, error_type, error_message
FROM (
    SELECT *, started_ns AS at_ns FROM runs WHERE started_ns IS NOT NULL
    UNION ALL
    SELECT *, ended_ns FROM runs WHERE started_ns IS NULL
)
WHERE /* conditions */
ORDER BY at_ns DESC, id DESC
LIMIT :limit
