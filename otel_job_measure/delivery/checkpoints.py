"""The committed offsets of one consumer: how much of each segment its sink has."""

import json
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

from otel_job_measure.clock import SystemClock
from otel_job_measure.journal.private_files import read_private, replace_private
from otel_job_measure.rate_limited_log import LOG, RateLimitedLog

_FORMAT: Final = 1
_MOST_BYTES: Final = 64 * 1024 * 1024
"""More than the offsets of a million segments."""


class Checkpoints:
    """Committed offsets in memory: the one place where a process looks them up."""

    def __init__(self) -> None:
        self._offsets: dict[str, int] = {}

    def offset(self, segment: str, ask: Callable[[str], int]) -> int:
        """Returns a segment's committed offset in bytes; asks the sink once for a segment that is new here."""
        offset = self._offsets.get(segment)
        if offset is None:
            offset = self._offsets[segment] = ask(segment)
        return offset

    def advance(self, offsets: Mapping[str, int]) -> None:
        """Commits offsets."""
        self._offsets |= offsets

    def forget(self, segments: Iterable[str]) -> list[str]:
        """Forgets deleted segments, and returns those of them that were known."""
        return sorted(name for name in segments if self._offsets.pop(name, None) is not None)

    def keep_only(self, segments: AbstractSet[str]) -> list[str]:
        """Forgets all segments but some, and returns those that it forgot."""
        return self.forget(self._offsets.keys() - segments)


class FileCheckpoints(Checkpoints):
    """Committed offsets of one destination in a JSON file, for a command that reads segments of living processes.

    The file is replaced as a whole; other destinations' offsets stay in it. If it cannot be read, points are sent a
    second time and overwrite themselves.
    """

    def __init__(self, path: Path, destination: str) -> None:
        super().__init__()
        self._path = path
        self._destination = destination
        self._limited_log = RateLimitedLog(LOG, SystemClock())
        self._offsets |= _read(path).get(destination, {})

    def advance(self, offsets: Mapping[str, int]) -> None:
        """Commits offsets to the file."""
        super().advance(offsets)
        self._save()

    def forget(self, segments: Iterable[str]) -> list[str]:
        """Forgets deleted segments in the file too."""
        gone = super().forget(segments)
        if gone:
            self._save()
        return gone

    def _save(self) -> None:
        content = {key: value for key, value in _read(self._path).items() if key != self._destination}
        if offsets := {name: offset for name, offset in self._offsets.items() if offset}:
            content[self._destination] = offsets
        try:
            replace_private(self._path, json.dumps({"format": _FORMAT, "destinations": content}))
        except OSError as error:
            self._limited_log.warning(
                "unsaved",
                "committed offsets cannot be saved, so points will be sent again: %s: %s",
                self._path,
                error,
            )


def _read(path: Path) -> dict[str, dict[str, int]]:
    try:
        content = json.loads(read_private(path, _MOST_BYTES))
        if content["format"] != _FORMAT:
            return {}
        return {
            str(destination): {str(name): int(offset) for name, offset in offsets.items()}
            for destination, offsets in content["destinations"].items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        LOG.warning("%a cannot be read, so its points are sent again: %s", str(path), error)
        return {}
