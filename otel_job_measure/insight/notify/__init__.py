"""Tells people what was found: each finding once when it begins and once when it ends, whatever fails."""
