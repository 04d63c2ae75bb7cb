"""What was told already and what is still to be sent, in one file of the state directory."""

import contextlib
import json
import os
import time
from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from otel_job_measure.errors import NotifyError
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.insight.notify.message import Message
from otel_job_measure.insight.notify.notices import Episode, Trouble
from otel_job_measure.journal.file_lock import lock
from otel_job_measure.journal.private_files import make_folder, open_private, read_private, refuse_strangers

FILE: Final = "notified.json"
_LOCK: Final = "notified.lock"
_VERSION: Final = 1
_MOST_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A message that a target has not taken yet.

    Args:
        message: The message.
        target: The target's id.
        attempts: How often it was sent in vain.
        next_ns: When it is sent again, in ns since 1970.
    """

    message: Message
    target: str
    attempts: int = 0
    next_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The content of the memory.

    Args:
        episodes: The findings that people know of, by their keys.
        waiting: The messages that are not sent yet, the oldest first.
    """

    episodes: Mapping[tuple[str, ...], Episode] = field(default_factory=dict[tuple[str, ...], Episode])
    waiting: tuple[Waiting, ...] = ()


class Memory:
    """The file, and the lock that one process at a time holds.

    Args:
        folder: The state directory.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def held(self) -> Generator[bool]:
        """Holds the lock; yields False if another process has it. Raises an `OSError` if there can be no lock."""
        make_folder(self._folder, is_root=True)
        refuse_strangers(self._folder, may_be_link=True)
        found = lock(self._folder / _LOCK)
        try:
            yield found is not None
        finally:
            if found is not None:
                found.release()

    def read(self) -> tuple[Told, str]:
        """Returns the content, and what is wrong with it: a damaged file is set aside, and all is told anew."""
        path = self._folder / FILE
        try:
            return _decoded(json.loads(read_private(path, _MOST_BYTES))), ""
        except FileNotFoundError:
            return Told(), ""
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            aside = path.with_name(f"{FILE}.damaged-{time.time_ns()}")
            path.rename(aside)
            why = f"{path} was damaged ({type(error).__name__}) and is now {aside.name}; what holds is told again"
            return Told(), why

    def write(self, told: Told) -> None:
        """Replaces the content; after a crash the file has the old or the new one.

        Raises:
            NotifyError: The file cannot be written, as on a full disk.
        """
        path = self._folder / FILE
        new = path.with_name(f"{FILE}.new")
        try:
            fd = open_private(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            with os.fdopen(fd, "w", encoding="utf-8", errors="replace") as file:
                json.dump(_encoded(told), file, ensure_ascii=False, separators=(",", ":"))
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
        except OSError as error:
            raise NotifyError(f"{path} cannot be written ({error.strerror}), so nothing is told") from error


def _encoded(told: Told) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "episodes": [asdict(episode) for episode in told.episodes.values()],
        "waiting": [asdict(each) for each in told.waiting],
    }


def _decoded(found: Any) -> Told:  # noqa: ANN401 - JSON
    if found["version"] != _VERSION:
        raise ValueError(found["version"])
    episodes: dict[tuple[str, ...], Episode] = {}
    for each in found["episodes"]:
        trouble = Trouble(**each.pop("trouble"))
        trouble = replace(trouble, job=JobId(*trouble.job))
        episodes[trouble.key] = Episode(trouble=trouble, **each)
    waiting = tuple(Waiting(message=Message(**each.pop("message")), **each) for each in found["waiting"])
    return Told(episodes=episodes, waiting=waiting)
