"""The way from the journal to a server and the history: one thread a process."""
