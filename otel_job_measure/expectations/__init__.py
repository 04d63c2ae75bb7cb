"""What should have happened: expectations and their schedules. Nothing here runs on a job's thread."""
