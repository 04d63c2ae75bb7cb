"""A report: all jobs over a period, and what changed against the period before."""
