"""Runs that two processes know: the one that runs the job notes how the other one, if it is killed, can end the run.

The note is a comment before the run's start, `# watched UUID ["KEY", {…}]`. Recovery gives the other process time.
"""

import json
import re
from typing import Final

from otel_job_measure.journal import slots
from otel_job_measure.journal.state_dir import StateDir

WATCHED: Final = b"# watched "
_ENDED: Final = re.compile(rb' status="(?:end|failed)",uuid="([0-9A-Za-z]+)"')


def comment(uuid: str, key: str, handle: str) -> bytes:
    """Returns the note of a run whose handle is given as JSON."""
    return WATCHED + f"{uuid} [{json.dumps(key)},{handle}]\n".encode()


def find(state: StateDir, key: str) -> tuple[bool, str | None]:
    """Returns whether runs were noted under a key, and the handle of one that has not ended; a dead process's first.

    It reads the segments of all slots, so it is for the rare death of a process.
    """
    mark = b" [" + json.dumps(key).encode() + b","
    noted: dict[bytes, tuple[bool, str]] = {}
    ended: set[bytes] = set()
    for folder in state.slot_folders():
        data = b"".join(segment.read(0, segment.size()) for segment in state.segments_of(folder))
        ended.update(_ENDED.findall(data))
        for line in data.split(b"\n") if mark in data else ():
            if line.startswith(WATCHED) and mark in line:
                uuid, _, note = line[len(WATCHED) :].partition(b" ")
                noted[uuid] = (slots.is_living(folder), json.dumps(json.loads(note)[1]))
    found = sorted(noted[uuid] for uuid in noted.keys() - ended)
    return bool(noted), found[0][1] if found else None
