"""What a measured run costs, side by side with everything a user would pick instead.

`make bench` runs all of it and writes the tables of docs/performance.md; `make bench-quick` prints the first tables in
a minute.
"""
