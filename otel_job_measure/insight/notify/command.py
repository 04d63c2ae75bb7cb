"""A command of the user's own, which gets the JSON object on its standard input."""

import os
import shlex
import signal
import subprocess
from contextlib import suppress

from otel_job_measure import names
from otel_job_measure.errors import NotifyError
from otel_job_measure.insight.notify.message import Message
from otel_job_measure.settings.environment import environment_for_programs

_SECRETS = (names.ENV_INFLUXDB_PREFIX, names.ENV_PREFIX, names.ENV_OTLP_PREFIX)


class _Command:
    """One command, started without a shell."""

    def __init__(self, url: str) -> None:
        try:
            self._words = shlex.split(url.partition(":")[2])
        except ValueError as error:
            raise NotifyError(f"the command of a target cannot be read: {error}") from error
        if not self._words:
            raise NotifyError("a target exec: has no command; it takes exec:/path/to/command")

    def __call__(self, message: Message, *, timeout_s: float) -> None:
        # The command needs no token of ours.
        given = environment_for_programs()
        environment = {name: value for name, value in given.items() if not name.startswith(_SECRETS)}
        environment |= {"NOTIFY_ID": message.id, "NOTIFY_SUBJECT": message.subject}
        try:
            process = subprocess.Popen(  # noqa: S603 - the user's own command
                self._words,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=environment,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise NotifyError(f"{self._words[0]} cannot be started: {getattr(error, 'strerror', error)}") from None
        with process:
            try:
                _, errors = process.communicate(message.encoded(), timeout=timeout_s)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError, PermissionError):  # it, and what it started
                    os.killpg(process.pid, signal.SIGKILL)
                raise NotifyError(f"{self._words[0]} did not end within {timeout_s:g} s") from None
        if process.returncode:
            last = errors.decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise NotifyError(f"{self._words[0]} ended with {process.returncode}{': ' if last else ''}{last}")


def sender(url: str, secret: str) -> _Command:
    """Returns what starts a command; raises `NotifyError` if it cannot be read."""
    del secret  # the command belongs to the same user
    return _Command(url)
