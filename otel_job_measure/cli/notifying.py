"""`check --notify` and `--ping`: tells people what changed since the last check."""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from otel_job_measure.cli import options
from otel_job_measure.errors import JobMeasureError, NotifyError
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.expectations.jobs_file import Recipient
from otel_job_measure.insight.check import Checked
from otel_job_measure.insight.findings import Finding
from otel_job_measure.insight.notify.look import detailing, look_in_vain, look_of
from otel_job_measure.insight.notify.memory import Memory
from otel_job_measure.insight.notify.notices import Trouble
from otel_job_measure.insight.notify.notifier import Look, Notifier
from otel_job_measure.insight.notify.routes import Route, Routes
from otel_job_measure.insight.notify.target import Target, target_of
from otel_job_measure.insight.notify.webhook import check_ping, ping
from otel_job_measure.insight.run_store import RunStore
from otel_job_measure.settings import Settings

_MOST = 16 * 1024


@dataclass(frozen=True, slots=True)
class Looked:
    """What a check found, the store that it asked, and what returns the kept output of a run by the stream."""

    found: Checked
    store: RunStore
    output: Callable[[str], Mapping[str, bytes]]


class Teller:
    """Tells the targets of the options and of `jobs.toml`; what goes wrong is said on stderr, and changes no exit code.

    Args:
        args: The options of `check`.
        wants: Which jobs are looked at.

    Raises:
        NotifyError: A target of the options cannot be used.
        MissingDependencyError: It needs Apprise, which is not installed.
    """

    def __init__(self, args: argparse.Namespace, wants: Callable[[JobId], bool]) -> None:
        self._wants = wants
        self._general = targets(args)
        self._ping = _url(args.ping) if args.ping else ""
        if self._ping:
            check_ping(self._ping)
        self.tells = bool(args.notify)
        self._known: dict[str, Target] = {}
        self._said: set[str] = set()

    def tell(
        self,
        looked: Looked,
        settings: Settings,
        recipients: Sequence[Recipient] | None,
        stopped: Callable[[], bool],
    ) -> None:
        """Tells what changed, and pings.

        Args:
            looked: What a check found.
            settings: Those of the state directory.
            recipients: Those of `jobs.toml`; None if it could not be read: then the next check tells.
            stopped: Whether the process is to end.
        """
        try:
            if self.tells and recipients is not None:
                look = look_of(looked.found, looked.store, self._wants)
                detailed = detailing(looked.store, looked.output)
                self._tell(look, detailed, settings, Routes(self._routes(recipients, settings)), stopped)
            if self._ping:
                ping(self._ping)
        except Exception as error:  # noqa: BLE001 - what the check found stays found
            options.complain(options.reason(error))

    def tell_in_vain(self, finding: Finding, settings: Settings, recipients: Sequence[Recipient] | None) -> None:
        """Tells what holds of a store that does not answer; of all else, nothing begins or ends, and nothing pings."""
        try:
            if self.tells and recipients is not None:
                routes = Routes(self._routes(recipients, settings))
                self._tell(look_in_vain(finding), lambda trouble: trouble, settings, routes, lambda: False)
        except Exception as error:  # noqa: BLE001 - the answer of the store is said in any case
            options.complain(options.reason(error))

    def _tell(
        self,
        look: Look,
        detailed: Callable[[Trouble], Trouble],
        settings: Settings,
        routes: Routes,
        stopped: Callable[[], bool],
    ) -> None:
        targets = routes.targets
        if not targets:
            raise NotifyError("--notify has no URL, and jobs.toml has no [[notify]] that can be used: nobody is told")
        notifier = Notifier(
            Memory(settings.state_path),
            targets,
            routes.of,
            detailed=detailed,
            link=settings.link or "",
            stopped=stopped,
        )
        for problem in notifier.tell(look).problems:
            options.complain(problem)

    def _routes(self, recipients: Sequence[Recipient], settings: Settings) -> list[Route]:
        problems: set[str] = set()
        routes = [Route(target=target) for target in self._general]
        routes += self._of_file(recipients, str(settings.jobs), problems)
        for problem in sorted(problems - self._said):
            options.complain(problem)
        self._said = problems
        return routes

    def _of_file(self, recipients: Sequence[Recipient], path: str, problems: set[str]) -> Iterator[Route]:
        """Yields the routes of `jobs.toml`; one that cannot be used costs no other."""
        for each in recipients:
            target = target_in(each, path, problems)
            if target is not None:
                # A target remembers that it has not answered yet.
                target = self._known.setdefault(target.id, target)
                yield Route(target=target, jobs=each.jobs, project=each.project, stage=each.stage)


def target_in(recipient: Recipient, path: str, problems: set[str]) -> Target | None:
    """Returns a target of `jobs.toml`; None if it cannot be used, which is added to the problems."""
    try:
        secret = _text_of(Path(recipient.secret_file), "secret_file") if recipient.secret_file else ""
        return target_of(_url(recipient.url), secret=secret)
    except JobMeasureError as error:
        problems.add(f"{path}: line {recipient.line}: 'notify': {options.in_one_line(error)}")
        return None


def targets(args: argparse.Namespace) -> list[Target]:
    """Returns the targets of the options; raises `NotifyError` if one cannot be used."""
    secret = _text_of(args.secret_file, "--secret-file") if args.secret_file else ""
    return [target_of(_url(each), secret=secret) for each in args.notify if each]


def _url(given: str) -> str:
    return _text_of(Path(given[1:]), given[:1]) if given.startswith("@") else given


def _text_of(path: Path, what: str) -> str:
    """Returns the first line of a file."""
    try:
        with path.open("rb") as file:
            lines = file.read(_MOST).decode("utf-8", "replace").split("\n")
    except OSError as error:
        raise NotifyError(f"{what} {str(path)!a} cannot be read: {error.strerror}") from error
    if not (line := lines[0].strip()):
        raise NotifyError(f"{what} {str(path)!a} has no first line; its content is not shown")
    return line
