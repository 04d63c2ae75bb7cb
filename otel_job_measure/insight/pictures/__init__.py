"""Pictures of runs as inline SVG: pure functions of values, with colours by class and the same numbers as a table."""
