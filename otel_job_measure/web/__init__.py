"""The read-only page, for `otel-job-measure web`; needs the extra `web`."""
