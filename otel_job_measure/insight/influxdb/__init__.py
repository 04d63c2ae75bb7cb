"""Every question about runs, asked of an InfluxDB."""
