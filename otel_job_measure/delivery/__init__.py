"""The way from the journal to InfluxDB and the history: one thread a process."""
