"""Every name that other programs see: measurements, tags, fields, span attributes, variables, metrics."""

from typing import Final

# Measurements
POINTS: Final = "scheduling-job"
RUNS: Final = "scheduling-job-run"
ALIVE: Final = "scheduling-job-alive"
EVENTS: Final = "scheduling-job-event"
STATES: Final = "scheduling-job-state"
EXPECTED: Final = "scheduling-job-expected"
SENDERS: Final = "scheduling-job-sender"
PROBE: Final = "otel-job-measure-doctor"  # the test point of `doctor`, which no dashboard asks for
DRILL: Final = "otel-job-measure-drill"  # how the name of the job of `doctor --drill` begins, and of its host
MONITOR: Final = (ALIVE, EVENTS, STATES, EXPECTED, SENDERS)
"""What the monitor writes beside the rows of runs."""
MEASUREMENTS: Final = (POINTS, RUNS, *MONITOR)

# Tags
TAG_JOB: Final = "job"
TAG_DATACENTER: Final = "datacenter"
TAG_PROJECT: Final = "project"
TAG_STAGE: Final = "stage"
TAG_STATUS: Final = "status"  # only of the run row; in `scheduling-job` it is a field
TAG_REASON: Final = "reason"

TAG_EVENT: Final = "event"
TAG_HOST: Final = "host"  # only of the sender row; elsewhere it is a field

# Fields
FIELD_UUID: Final = "uuid"
FIELD_STATUS: Final = "status"
FIELD_SUCCESS: Final = "success"
FIELD_DURATION: Final = "duration"
FIELD_HOST: Final = "host"
FIELD_TRACE_ID: Final = "trace_id"
FIELD_SPAN_ID: Final = "span_id"
FIELD_ERROR_TYPE: Final = "error_type"
FIELD_ERROR_MESSAGE: Final = "error_message"
FIELD_ATTEMPT: Final = "attempt"
FIELD_TASK_ID: Final = "task_id"
FIELD_LAG: Final = "lag"
FIELD_QUEUED: Final = "queued"
FIELD_TRIGGER: Final = "trigger"

# Fields of the monitor's rows
FIELD_AGE: Final = "age"
FIELD_INTERVAL: Final = "interval"
FIELD_DUE: Final = "due"
FIELD_DETAIL: Final = "detail"
FIELD_WITHDRAWN: Final = "withdrawn"
FIELD_STATE: Final = "state"
FIELD_LEVEL: Final = "level"
FIELD_SINCE: Final = "since"
FIELD_EXPECTED: Final = "expected"
FIELD_SOURCE: Final = "source"
FIELD_VERSION: Final = "version"
FIELD_COMPLETE_UNTIL: Final = "complete_until"
FIELD_PENDING: Final = "pending"
FIELD_LEFT: Final = "left"

FIELD_PROBE: Final = "probe"

# The values of event
EVENT_MISSED: Final = "missed"
EVENT_SKIPPED: Final = "skipped"
EVENT_OVERRUN: Final = "overrun"
EVENT_RECOVERED: Final = "recovered"

# The values of status
STATUS_START: Final = "start"
STATUS_END: Final = "end"
STATUS_FAILED: Final = "failed"

# The values of reason
REASON_ERROR: Final = "error"
REASON_TIMEOUT: Final = "timeout"
REASON_CANCELLED: Final = "cancelled"
REASON_SIGNAL: Final = "signal"
REASON_EXIT: Final = "exit"
REASON_LOST: Final = "lost"
REASON_RETRY: Final = "retry"
REASON_REJECTED: Final = "rejected"
REASON_REVOKED: Final = "revoked"
REASON_SKIPPED: Final = "skipped"
UNCOUNTED_REASONS: Final = (REASON_RETRY, REASON_REJECTED, REASON_REVOKED, REASON_SKIPPED)
"""Reasons that say nothing about the job itself: their rows have no `success`, so that its mean counts jobs."""
REASONS: Final = (
    *(REASON_ERROR, REASON_TIMEOUT, REASON_CANCELLED, REASON_SIGNAL, REASON_EXIT, REASON_LOST),
    *UNCOUNTED_REASONS,
)

# The values of trigger
TRIGGER_SCHEDULE: Final = "schedule"
TRIGGER_MANUAL: Final = "manual"
TRIGGER_RETRY: Final = "retry"
TRIGGER_MESSAGE: Final = "message"
TRIGGERS: Final = (TRIGGER_SCHEDULE, TRIGGER_MANUAL, TRIGGER_RETRY, TRIGGER_MESSAGE)

UNNAMED: Final = "unnamed"  # the job of a context without a usable name

# Span attributes
ATTR_NAME: Final = "scheduling.job.name"
ATTR_RUN_ID: Final = "scheduling.job.run_id"
ATTR_DATACENTER: Final = "scheduling.job.datacenter"
ATTR_PROJECT: Final = "scheduling.job.project"
ATTR_STAGE: Final = "scheduling.job.stage"
ATTR_HOST: Final = "scheduling.job.host"
ATTR_STATUS: Final = "scheduling.job.status"
ATTR_REASON: Final = "scheduling.job.reason"
ATTR_DURATION: Final = "scheduling.job.duration"
ATTR_ERROR_TYPE: Final = "error.type"
ATTR_PREFIX: Final = "scheduling.job."
"""Before the name of each limit too: `scheduling.job.schedule`, `scheduling.job.max_runtime`."""
SPAN_NAME_PREFIX: Final = "run "
SCOPE: Final = "otel_job_measure"  # the instrumentation scope of the package's spans and metrics

# Attributes of log records that no span has
ATTR_MEASUREMENT: Final = "scheduling.job.measurement"
ATTR_TAG_PREFIX: Final = "scheduling.job.tag."  # of tags that the user chose
ATTR_RECORD_UID: Final = "log.record.uid"
EVENT_RUN: Final = "scheduling.job.run"

# The limits that people declare of a job: arguments, options of `exec`, keys of `jobs.toml`, ends of span attributes
LIMITS: Final = (
    *("schedule", "dialect", "timezone", "every", "grace"),
    *("max_runtime", "min_runtime", "min_interval", "max_age", "failures", "scope"),
)

# Resource attributes that default tags come from; the first one found applies
RESOURCE_DATACENTER: Final = ("cloud.region", "cloud.availability_zone")
RESOURCE_PROJECT: Final = ("service.name",)
RESOURCE_STAGE: Final = ("deployment.environment.name", "deployment.environment")
UNKNOWN_SERVICE: Final = "unknown_service"

# Variables
ENV_PREFIX: Final = "OTEL_JOB_MEASURE_"
ENV_DATACENTER: Final = "CLUSTER_DATACENTER"
ENV_PROJECT: Final = "PROJECT_NAME"
ENV_STAGE: Final = "PROJECT_STAGE"
ENV_INFLUXDB_PREFIX: Final = "INFLUXDB_"
ENV_INFLUXDB_URL: Final = "INFLUXDB_URL"
ENV_INFLUXDB_TOKEN: Final = "INFLUXDB_TOKEN"  # noqa: S105 - the name of a variable, not a secret
ENV_INFLUXDB_TOKEN_FILE: Final = "INFLUXDB_TOKEN_FILE"  # noqa: S105 - the name of a variable, not a secret
ENV_INFLUXDB_USERNAME: Final = "INFLUXDB_USERNAME"
ENV_INFLUXDB_PASSWORD: Final = "INFLUXDB_PASSWORD"  # noqa: S105 - the name of a variable, not a secret
ENV_INFLUXDB_ORG: Final = "INFLUXDB_ORG"
ENV_INFLUXDB_BUCKET: Final = "INFLUXDB_BUCKET"
ENV_SINK: Final = f"{ENV_PREFIX}SINK"
ENV_OTLP_PREFIX: Final = "OTEL_EXPORTER_OTLP_"  # of the standard; `…LOGS_` takes precedence
ENV_OTLP_ENDPOINT: Final = f"{ENV_OTLP_PREFIX}ENDPOINT"
ENV_OTLP_HEADERS: Final = f"{ENV_OTLP_PREFIX}HEADERS"
ENV_OTLP_CERTIFICATE: Final = f"{ENV_OTLP_PREFIX}CERTIFICATE"

# The values of ENV_SINK
SINK_INFLUXDB: Final = "influxdb"
SINK_OTLP: Final = "otlp"

# Metrics
METRIC_PREFIX: Final = "otel_job_measure.points."

LOGGER: Final = "otel_job_measure"
