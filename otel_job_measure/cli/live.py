"""The live picture of `watch`: it takes the whole screen, and gives it back as it was."""

import argparse
import time
from typing import TYPE_CHECKING, Final

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from otel_job_measure.cli import jobs
from otel_job_measure.cli.jobs_table import rendered
from otel_job_measure.cli.options import MOST_PATH, in_one_line
from otel_job_measure.cli.progress import working
from otel_job_measure.cli.stopping import Stopping
from otel_job_measure.cli.terminal import console
from otel_job_measure.cli.viewer import Viewer
from otel_job_measure.errors import JobMeasureError
from otel_job_measure.printable import brief

if TYPE_CHECKING:
    from otel_job_measure.insight.overview import Overview

_PARTS: Final = 4
"""Of a screen, the whole takes the fourth part at most."""


def live(args: argparse.Namespace) -> int:
    """Shows the jobs until a signal; returns the exit code."""
    where = console()
    picture = _Picture(args)
    with working("reading runs"):
        picture.look()  # what is wrong with the options or the store is said before the screen is taken
    asked_s = time.monotonic()
    with Stopping() as stopping, Live(picture, console=where, screen=True, auto_refresh=False) as screen:
        while True:
            screen.refresh()
            stopping.wait(max(0.0, asked_s + args.every - time.monotonic()))
            if time.monotonic() - asked_s >= args.every:
                picture.look_again()
                asked_s = time.monotonic()
    return stopping.exit_code


class _Picture:
    """What is on the screen: the last answer of the store, and what is wrong with it."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._viewer = Viewer(args)
        self._found: Overview | None = None
        self._trouble = ""

    def look(self) -> None:
        """Asks the store."""
        self._found = self._viewer.jobs()
        self._trouble = self._viewer.lacks

    def look_again(self) -> None:
        """Asks the store; if it does not answer, the last answer stays."""
        try:
            self.look()
        except (JobMeasureError, OSError) as error:
            self._trouble = f"{in_one_line(error)}; trying again"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yields the lines that the screen has room for, with what is wrong in the last ones."""
        height = options.height or console.height
        parts = (*self._body(console), self._foot())
        jobs_, words, whole, foot = (console.render_lines(part, options.update(height=None)) for part in parts)
        # How many jobs are bad is said even if there is room for little else.
        foot = [*(whole if len(whole) <= height // _PARTS else whole[:1]), *foot][-height:]
        room = max(0, height - len(foot))
        # The words stay if there is any room: what is wrong with the worst jobs matters more than the jobs that are ok.
        rest = max(room - len(words), room // 2)
        body = [*_cut(console, options, jobs_, rest), *words]
        for line in (*_cut(console, options, body, room), *foot):
            yield from line
            yield Segment.line()

    def _body(self, where: Console) -> tuple[RenderableType, RenderableType, RenderableType]:
        """Returns the jobs, what there is to say of them, and the whole in one line."""
        found = self._found
        if found is None:
            return Group(), Group(), Group()
        shown = jobs.chosen(self._args, found)
        if not shown and not found.hosts:
            return Group(), Text(brief(jobs.nothing(self._args, found), MOST_PATH)), Group()
        return rendered(where, found, shown, len(found.jobs))

    def _foot(self) -> Text:
        at = time.strftime("%H:%M:%S", time.localtime(self._found.at_ns // 10**9)) if self._found else ""
        if self._trouble:
            return Text(f"as of {at}: {brief(self._trouble)}", style="yellow")
        return Text(f"{at}, every {self._args.every:g} s; Ctrl-C ends it", style="dim")


def _cut(console: Console, options: ConsoleOptions, lines: list[list[Segment]], most: int) -> list[list[Segment]]:
    """Returns the lines that there is room for; the last one says how many more there are."""
    if len(lines) <= most:
        return lines
    more = f"and {len(lines) - most + 1} more lines: a higher terminal or --failing shows them"
    last = console.render_lines(Text(more, style="dim", no_wrap=True), options.update(height=None))
    return [*lines[: max(0, most - 1)], *last][:most]
