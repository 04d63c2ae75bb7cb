"""A run of a job and its span: the doors that open one, and the processor that sees those of the app."""
