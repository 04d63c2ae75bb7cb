"""The local history: runs in an SQLite file, folded from the journal's points."""
