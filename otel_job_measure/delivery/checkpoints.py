"""How much of each segment was sent, remembered from one process to the next."""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final, Protocol

from otel_job_measure import names
from otel_job_measure.journal.private_files import open_private

_log = logging.getLogger(names.LOGGER)
_FORMAT: Final = 1


class Progress(Protocol):
    """Remembers positions in segments."""

    def position(self, segment: str) -> int:
        """Returns how much of a segment is done, in bytes; 0 where nothing is known."""
        ...

    def advance(self, positions: Mapping[str, int]) -> None:
        """Notes how much of some segments is done; never raises an `Exception`."""
        ...

    def forget(self, segments: Sequence[str]) -> None:
        """Is told that these segments are gone; never raises an `Exception`."""
        ...


class FileProgress:
    """Positions in a small JSON file, which is replaced as a whole, so that a reader finds the old one or the new one.

    What cannot be read counts as nothing: points are sent a second time then, and overwrite themselves.

    Args:
        path: The file; one process at a time writes it.
        destination: Whose positions these are, by the destination's id; those of others are kept as they are.
    """

    def __init__(self, path: Path, destination: str) -> None:
        self._path = path
        self._destination = destination
        self._positions = _read(path).get(destination, {})
        self._failed = False

    def position(self, segment: str) -> int:
        """Returns how much of a segment is done, in bytes."""
        return self._positions.get(segment, 0)

    def advance(self, positions: Mapping[str, int]) -> None:
        """Notes how much of some segments is done."""
        self._positions |= positions
        self._write()

    def forget(self, segments: Sequence[str]) -> None:
        """Is told that these segments are gone."""
        gone = self._positions.keys() & set(segments)
        if gone:
            self.keep_only(self._positions.keys() - gone)

    def keep_only(self, segments: AbstractSet[str]) -> None:
        """Forgets all segments but some: others may have gone while nobody looked."""
        kept = {segment: position for segment, position in self._positions.items() if segment in segments}
        if kept != self._positions:
            self._positions = kept
            self._write()

    def _write(self) -> None:
        content = {key: value for key, value in _read(self._path).items() if key != self._destination}
        if self._positions:
            content[self._destination] = self._positions
        try:
            _replace(self._path, json.dumps({"format": _FORMAT, "destinations": content}))
            self._failed = False
        except OSError as error:
            if not self._failed:
                _log.warning("what was sent cannot be noted, and will be sent again: %s: %s", self._path, error)
            self._failed = True


def _read(path: Path) -> dict[str, dict[str, int]]:
    try:
        content = json.loads(path.read_bytes())
        if content["format"] != _FORMAT:
            return {}
        return {
            str(destination): {str(name): int(position) for name, position in positions.items()}
            for destination, positions in content["destinations"].items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        _log.warning("%s cannot be read, and what was sent is sent again: %s", path, error)
        return {}


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f"{path.name}.{os.urandom(8).hex()}")
    try:
        with os.fdopen(open_private(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "w") as file:
            file.write(text)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
