"""The command `exec`: runs any program as a job."""
