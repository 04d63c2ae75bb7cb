"""The entry points: what a job is wrapped with."""
