"""A backlog, made in one go: segments that processes have left."""

import os
import secrets
from collections.abc import Iterable

from otel_job_measure.journal.interfaces import Identity, SegmentHeader
from otel_job_measure.journal.segment import encode_header, new_name
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.settings import Settings


def start_lines(count: int, begin_ns: int) -> list[bytes]:
    """Returns the start lines of as many runs of a few jobs, a microsecond apart."""
    salt = secrets.token_hex(3)
    return [
        b'scheduling-job,job=left-%d status="start",uuid="%s%06d" %d\n'
        % (number % 50, salt.encode(), number, begin_ns + number * 1000)
        for number in range(count)
    ]


def leave(state: StateDir, settings: Settings, segments: Iterable[list[bytes]]) -> int:
    """Leaves segments in `ready/` for the settings' destination, one for each list of lines; returns how many."""
    state.make()
    destination = settings.destination
    count = 0
    for number, lines in enumerate(segments):
        identity = Identity(
            host="left",
            boot_id="of long ago",
            destination=settings.destination_id,
            label="" if destination is None else destination.label,
            runs=True,
        )
        header = SegmentHeader(identity, slot=number % 1000, ordinal=0, created_ns=10**18 + number)
        path = state.ready / new_name(settings.destination_id)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(encode_header(header) + b"".join(lines))
        count += 1
    return count
