"""Runs that two processes know: the one that runs the job notes how the other one, if it is killed, can end the run.

The note is a comment before the run's start, `# watched UUID ["KEY", {…}]`. Recovery gives the other process time.
"""

import json
import re
from typing import Final

from otel_job_measure.journal import slots
from otel_job_measure.journal.state_dir import StateDir

WATCHED: Final = b"# watched "
_NOTE: Final = re.compile(rb"^# watched ([0-9A-Za-z]+) (\[.*\])$", re.MULTILINE)
_ENDED: Final = re.compile(rb' status="(?:end|failed)",uuid="([0-9A-Za-z]+)"')
_NEWEST: Final = 2
"""An open run is in a slot's newest segment; one that ended lately is there, or in the segment before it."""


def comment(uuid: str, key: str, handle: str) -> bytes:
    """Returns the note of a run whose handle is given as JSON."""
    return WATCHED + f"{uuid} [{json.dumps(key)},{handle}]\n".encode()


def find(state: StateDir, key: str) -> str | None:
    """Returns the handle of a run that was lately noted under a key and has not ended."""
    return _notes(state, b" [" + json.dumps(key).encode() + b",").get(key)


def noted(state: StateDir) -> dict[str, str | None]:
    """Returns the keys under which runs were lately noted, each with the handle of a run that has not ended."""
    return _notes(state, WATCHED)


def _notes(state: StateDir, mark: bytes) -> dict[str, str | None]:
    """Returns the notes that have a mark; of several runs under one key, a dead process's first.

    It reads segments of all slots, so it is for the rare death of a process.
    """
    notes: dict[bytes, tuple[bool, bytes]] = {}
    ended: set[bytes] = set()
    for folder in state.slot_folders():
        for segment in state.segments_of(folder)[-_NEWEST:]:
            data = segment.read(0, segment.size())
            ended.update(_ENDED.findall(data))
            lines = _NOTE.finditer(data) if mark in data else ()
            found = {line[1]: line[2] for line in lines if mark in line[0]}
            if found:
                is_living = slots.is_living(folder)
                notes |= {uuid: (is_living, note) for uuid, note in found.items()}
    handles: dict[str, str | None] = {}
    for uuid, (_, note) in sorted(notes.items(), key=lambda item: (item[1][0], item[0]), reverse=True):
        key, handle = json.loads(note)
        if uuid not in ended or key not in handles:
            handles[key] = None if uuid in ended else json.dumps(handle)
    return handles
