"""Builds the pipeline from the parts, and gives it to users: `JobMeasure` and the ready-made middleware."""
