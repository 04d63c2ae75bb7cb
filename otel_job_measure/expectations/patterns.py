"""Patterns of jobs' names: `*` is any text, `?` is one character, and everything else means itself."""

from fnmatch import fnmatchcase


def is_match(pattern: str, name: str) -> bool:
    """Returns whether a pattern means a name; upper and lower case differ."""
    return fnmatchcase(name, pattern.replace("[", "[[]"))
