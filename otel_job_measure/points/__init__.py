"""From a run to its rows in line protocol, and back."""
