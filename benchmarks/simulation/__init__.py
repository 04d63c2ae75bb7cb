"""A year of jobs that may be missed, stuck or killed, on hosts and a server that may be away; all from a seed."""
