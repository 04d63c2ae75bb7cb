"""What a job waits for: an append to a file of its own process, and nothing else."""
