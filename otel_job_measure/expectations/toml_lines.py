"""The line of each key in a TOML file, which Python's parser does not tell."""

import re
import tomllib
from collections import Counter
from functools import partial
from typing import Any, Final, cast

Path = tuple[str | int, ...]
"""Keys from the outermost one on; a number for the table of a list, from 0."""
_MOST_LINE: Final = 2000
_is_header = partial(re.fullmatch, r"\s*(\[\[?[^#]*?\]\]?)\s*(?:#.*)?")
_is_pair = partial(
    re.match, r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)


class Lines:
    """The lines of one file that Python's parser has read."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {}
        counts: Counter[Path] = Counter()
        table: Path = ()
        for number, line in enumerate(text.splitlines(), start=1):
            if len(line) > _MOST_LINE:
                continue
            if header := _is_header(line):
                keys = _keys(header[1])
                if keys is None:
                    continue
                table = keys
                if header[1].startswith("[["):
                    table = (*keys, counts[keys])
                    counts[keys] += 1
                self._lines.setdefault(table, number)
            elif (pair := _is_pair(line)) and (keys := _keys(f"{pair[1]} = 0")):
                for depth in range(1, len(keys) + 1):
                    self._lines.setdefault((*table, *keys[:depth]), number)

    def of(self, path: Path) -> int:
        """Returns the line of a key, else of what is first below it, else of the table that it is in, else 1."""
        while path and path not in self._lines:
            below = [line for known, line in self._lines.items() if known[: len(path)] == path]
            if below:
                return min(below)
            path = path[:-1]
        return self._lines.get(path, 1)


def _keys(text: str) -> Path | None:
    """Returns the keys of a header or a pair, read by Python's parser."""
    try:
        found: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None
    keys: list[str] = []
    while isinstance(found, dict) and found:
        ((key, found),) = cast("dict[str, Any]", found).items()
        keys.append(key)
        if isinstance(found, list):
            break
    return tuple(keys)
