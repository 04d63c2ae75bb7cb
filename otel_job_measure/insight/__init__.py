"""Every question that people and checks ask, and what follows from the answers."""
