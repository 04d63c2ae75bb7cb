"""The lines of a crontab that run `otel-job-measure exec`: their schedules are those of their jobs."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from otel_job_measure import names

_PROGRAM: Final = ("otel-job-measure", "otel_job_measure")
_LIMIT_OPTIONS: Final = {f"--{limit.replace('_', '-')}": limit for limit in names.LIMITS}
_ENV_FILE: Final = "--env-file"
_OTHER_OPTIONS: Final = frozenset({_ENV_FILE, "--keep-output", "--kill-after", "--timeout"})
_FLAGS: Final = frozenset({"--keep-running", "--help", "-h"})
_FIELDS: Final = 5
_TAKES: Final = "cron takes 5 fields (minute, hour, day of the month, month, weekday) before the command"
_MOST_LINE: Final = 10_000
_assignment = partial(re.fullmatch, r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")
_runs_exec = partial(re.search, rf"(?:^|[\s/])(?:{'|'.join(_PROGRAM)})\s+exec(?:\s|$)")
_is_field = partial(re.fullmatch, r"[0-9*][0-9*,/-]*")
_command_of = partial(re.split, r"(?<!\\)%", maxsplit=1)


class CrontabJob(NamedTuple):
    """A line of a crontab.

    Args:
        line: Its number.
        name: The job's name.
        limits: Its schedule, and the limits that its options state.
        variables: Those that the crontab or the line sets.
        env_file: The file that `--env-file` names; empty if there is none.
        problem: Why cron or `exec` does not run the job as it stands there; empty if they do, as far as can be seen.
    """

    line: int
    name: str
    limits: Mapping[str, str]
    variables: Mapping[str, str]
    env_file: str = ""
    problem: str = ""


def crontab_jobs(text: str, *, user: str | None = None, owner: str = "root") -> Iterator[CrontabJob]:
    """Yields the measured jobs of a crontab, and what is wrong with lines that run `exec`, perhaps without a name.

    Args:
        text: Its content.
        user: The user whose lines count, in a crontab of the system, which names one in each line; else None.
        owner: The user of a crontab that names none.
    """
    variables: dict[str, str] = {}
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#") or len(line) > _MOST_LINE:
            continue
        if assigned := _assignment(line):
            variables = variables | {assigned[1]: _unquoted(assigned[2])}
            continue
        problem = _misplaced(line, user, owner)
        schedule, command = _split(line, user)
        found = (
            CrontabJob(0, "", {}, {}, problem=problem) if problem else None if command is None else _measured(command)
        )
        if found is not None:
            limits = {**_timing(schedule, variables), **found.limits}
            own = {**variables, **found.variables}
            yield found._replace(line=number, limits=limits, variables=own)
            if number == len(lines):
                problem = "the last line has no newline at its end, so cron may ignore it, or the whole file"
                yield CrontabJob(number, "", {}, {}, problem=problem)


def _misplaced(line: str, user: str | None, owner: str) -> str:
    """Returns what is wrong with the words before the command of a line that runs `exec`."""
    words = line.split()
    at = next((at for at, word in enumerate(words[:-1]) if _runs_exec(f"{word} {words[at + 1]}")), None)
    if at is None or line.lstrip().startswith("@"):
        return ""
    before, fields = words[:at], _FIELDS if user is None else _FIELDS + 1
    if len(before) == _FIELDS < fields and all(map(_is_field, before)):
        return "the user is missing: in a crontab of the system, it stands between the schedule and the command"
    if len(before) < fields:
        return f"{' '.join(before)!a} stands before the command: {_TAKES}{'' if user is None else ', and a user'}"
    if _is_field(before[_FIELDS]) if len(before) > _FIELDS else False:
        return f"{' '.join(before[: _FIELDS + 1])!a} stands before the command: {_TAKES}"
    if user is None and len(before) == _FIELDS + 1 and before[_FIELDS] in {owner, "root"}:
        return f"{before[_FIELDS]!a} stands before the command: only a crontab of the system names a user"
    return ""


def _split(line: str, user: str | None) -> tuple[str, str | None]:
    """Returns the schedule and the command of a line; no command if it is another user's."""
    count = 1 if line.lstrip().startswith("@") else _FIELDS
    words = line.split(maxsplit=count if user is None else count + 1)
    if len(words) <= count or (user is not None and (len(words) == count + 1 or words[count] != user)):
        return "", None
    return " ".join(words[:count]), _command_of(words[-1])[0].replace("\\%", "%")


def _measured(command: str) -> CrontabJob | None:
    """Returns the job of a command and what its options say, if the command runs `exec`."""
    try:
        words = shlex.split(command)
    except ValueError:  # the shell refuses it too
        problem = "its command has a quote without an end; an unescaped % ends a command for cron, write \\%"
        return CrontabJob(0, "", {}, {}, problem=problem) if _runs_exec(command) else None
    for index, word in enumerate(words[:-1]):
        if word.rpartition("/")[2] in _PROGRAM and words[index + 1] == "exec":
            variables = dict(before.split("=", 1) for before in words[:index] if _assignment(before))
            return _of_exec(words[index + 2 :], variables)
    return None


def _of_exec(words: Sequence[str], variables: Mapping[str, str]) -> CrontabJob:
    limits: dict[str, str] = {}
    env_file = ""
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        if not word.startswith("-"):
            problem = "" if next(rest, None) is not None else "there is no command after the job's name"
            return CrontabJob(0, word, limits, variables, env_file, problem)
        if word == "--":
            break
        if option not in (_LIMIT_OPTIONS.keys() | _OTHER_OPTIONS | _FLAGS):
            return CrontabJob(0, "", limits, variables, problem=f"`exec` has no option {option!a}")
        if option in _LIMIT_OPTIONS or option in _OTHER_OPTIONS:
            value = value if equals else next(rest, "")
        if option == _ENV_FILE:
            env_file = value
        if option in _LIMIT_OPTIONS:
            limits[_LIMIT_OPTIONS[option]] = value
    return CrontabJob(0, "", limits, variables, problem="there is no job's name after `exec`")


def _timing(schedule: str, variables: Mapping[str, str]) -> dict[str, str]:
    if schedule.lower() == "@reboot":
        return {}
    zone = variables.get("CRON_TZ", "")
    return {"schedule": schedule} | ({"timezone": zone} if zone else {})


def _unquoted(text: str) -> str:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if quoted else text
