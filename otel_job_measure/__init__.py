"""Measures the runs of scheduled and background jobs with OpenTelemetry and sends them to InfluxDB."""
