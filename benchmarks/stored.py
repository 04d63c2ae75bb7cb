"""The rows of many runs as a fleet leaves them in InfluxDB: starts, endings, signs of life, words of senders."""

import random
from collections.abc import Iterator
from typing import Final

from otel_job_measure.points.monitor import Alive, Sender
from otel_job_measure.points.monitor_rows import line_of
from otel_job_measure.points.outcome import Ending, Outcome
from otel_job_measure.points.rows import Series, ending_lines, start_line
from otel_job_measure.points.tags import DefaultTags

_S: Final = 10**9
_MINUTE_S: Final = 60
_TAGS: Final = DefaultTags(datacenter="fra", project="billing", stage="production")
_HOSTS: Final = 20
_LONG_OF: Final = 1000
"""One run of so many takes about an hour; the others take seconds, one of thirty more than a minute."""
_AT_ONCE: Final = 20_000
_FAILED: Final = 0.03
_ERRORS: Final = ("ValueError", "OSError")


def lines(runs: int, jobs: int, days: float, until_ns: int) -> Iterator[bytes]:
    """Yields lines, some thousands at a time, roughly in the order of time.

    Args:
        runs: How many runs.
        jobs: Of how many jobs.
        days: How long before the end the first one starts.
        until_ns: The end: what happens later has not happened.
    """
    since_ns = until_ns - int(days * 86_400 * _S)
    fleet = [(f"job-{job:03}", Series(f"job-{job:03}", _TAGS)) for job in range(jobs)]
    draw = random.Random(1)  # noqa: S311 - the same runs each time
    parts: list[bytes] = []
    for number in range(runs):
        job, series = fleet[number * 7919 % jobs]
        start_ns, host = since_ns + number * (until_ns - since_ns) // runs, f"host-{number % _HOSTS:02}"
        uuid = f"{draw.getrandbits(48):012x}"
        took_s = draw.uniform(1800, 5400) if number % _LONG_OF == 0 else draw.lognormvariate(1.4, 1.5)
        end_ns = start_ns + int(took_s * _S)
        parts.append(start_line(series, uuid, start_ns))
        for minute in range(1, 1 + int((min(end_ns, until_ns) - start_ns) / _S / _MINUTE_S)):
            age_s = minute * _MINUTE_S + number % 1000 / 1000
            parts.append(_alive(job, uuid, host, start_ns, age_s))
        if end_ns < until_ns:
            outcome = Outcome("error", draw.choice(_ERRORS)) if draw.random() < _FAILED else Outcome()
            ending = Ending(uuid=uuid, outcome=outcome, end_ns=end_ns, duration_s=took_s, host=host)
            parts.append(ending_lines(series, ending, run_row=True, error_message=False))
        if len(parts) >= _AT_ONCE:
            yield b"".join(parts)
            parts = []
    yield b"".join(parts)
    yield from _words(since_ns, until_ns)


def _alive(job: str, uuid: str, host: str, start_ns: int, age_s: float) -> bytes:
    tags = {"job": job, "datacenter": "fra", "project": "billing", "stage": "production"}
    at_ns = start_ns + int(age_s * _S)
    return line_of(Alive(tags=tags, at_ns=at_ns, uuid=uuid, host=host, age_s=age_s, interval_s=float(_MINUTE_S)))


def _words(since_ns: int, until_ns: int) -> Iterator[bytes]:
    """Yields what the sender of each host says each minute, an hour at a time."""
    words: list[bytes] = []
    for at_ns in range(since_ns, until_ns, _MINUTE_S * _S):
        words += [
            line_of(Sender(host=f"host-{host:02}", at_ns=at_ns + host, complete_until_ns=at_ns, pending=0, left=False))
            for host in range(_HOSTS)
        ]
        if len(words) >= _AT_ONCE:
            yield b"".join(words)
            words = []
    yield b"".join(words)
