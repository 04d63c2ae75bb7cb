"""What the doctor found, as lines for people and as an object for programs."""

import os
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from otel_job_measure.insight.doctor.finding import OK, PROBLEM, WARNING, WORDS, Finding, number
from otel_job_measure.insight.doctor.variables import Said
from otel_job_measure.printable import brief

VERSION: Final = 1
_WIDTH: Final = 80
_LEAST, _MOST = 50, 110
_COLORS: Final = {OK: "\x1b[32m", WARNING: "\x1b[1;33m", PROBLEM: "\x1b[1;31m"}
_PLAIN: Final = "\x1b[0m"
_INDENT: Final = "  "
_ARROW: Final = "-> "
_LONGEST: Final = 600
_LONGEST_VALUE: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All findings of one look, and the settings."""

    findings: Sequence[Finding]
    settings: Sequence[Said]
    host: str
    took_s: float

    @property
    def level(self) -> int:
        """The worst level."""
        return max((finding.level for finding in self.findings), default=OK)

    def of(self, level: int) -> list[Finding]:
        """Returns the findings of a level."""
        return [finding for finding in self.findings if finding.level == level]


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How lines are printed."""

    width: int
    has_color: bool

    def colored(self, text: str, level: int) -> str:
        """Returns a text in the color of a level."""
        return f"{_COLORS[level]}{text}{_PLAIN}" if self.has_color else text

    def wrapped(self, text: str, first: str, rest: str) -> list[str]:
        """Returns the lines of a text behind indents; its letters are printable."""
        shown = brief(text, _LONGEST)
        return textwrap.wrap(
            shown, self.width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
        ) or [first.rstrip()]


def style_of(stdout: "TextIO | None") -> Style:
    """Returns how this terminal, or a pipe, gets its lines."""
    is_terminal = stdout is not None and stdout.isatty()
    has_color = is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    width = shutil.get_terminal_size((_WIDTH, 24)).columns if is_terminal else _WIDTH
    return Style(width=max(_LEAST, min(width, _MOST)), has_color=has_color)


def lines(report: Report, style: Style, *, everything: bool) -> Iterator[str]:
    """Yields what people read: problems first, then warnings, what is well, the settings, and the summary again."""
    yield title("doctor", report.host)
    yield style.colored(_summary(report), report.level)
    for level in (PROBLEM, WARNING):
        for finding in report.of(level):
            yield ""
            yield f"{style.colored(WORDS[level].upper(), level)}  {finding.check}"
            yield from style.wrapped(finding.text, _INDENT, _INDENT)
            yield from _advice(finding, style, _INDENT)
    yield from _good(report, style)
    yield from _settings(report.settings, style, everything=everything)
    yield ""
    yield summary(report, style)


def title(command: str, host: str) -> str:
    """Returns the first line."""
    return brief(f"otel-job-measure {command} on {host}, {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC", _LONGEST)


def summary(report: Report, style: Style) -> str:
    """Returns the last lines, which name everything that is not well."""
    bad = dict.fromkeys(finding.check for level in (PROBLEM, WARNING) for finding in report.of(level))
    names = f": {', '.join(bad)}" if bad else ""
    text = f"{_summary(report)} in {report.took_s:.1f} s{names}"
    return "\n".join(style.colored(line, report.level) for line in style.wrapped(text, "", _INDENT))


def step(finding: Finding, at_s: float, style: Style) -> Iterator[str]:
    """Yields what people read of one step of a drill."""
    word = "" if finding.level == OK else f"{WORDS[finding.level].upper()} "
    at = f"{at_s:6.1f} s  "
    rest = " " * len(at)
    for number_, line in enumerate(style.wrapped(f"{word}{finding.text}", at, rest)):
        colored = style.colored(word.strip(), finding.level) if word else ""
        yield line.replace(word.strip(), colored, 1) if word and not number_ else line
    yield from _advice(finding, style, rest)


def as_object(report: Report) -> dict[str, Any]:
    """Returns the JSON object of `--json`; docs/doctor.md describes it."""
    now = datetime.now(UTC)
    return {
        "version": VERSION,
        "at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "host": report.host,
        "took_s": round(report.took_s, 3),
        "level": report.level,
        "status": WORDS[report.level],
        "findings": [
            {
                "check": finding.check,
                "area": finding.area,
                "level": finding.level,
                "status": WORDS[finding.level],
                "text": finding.text,
                "advice": finding.advice or None,
                "facts": dict(finding.facts),
            }
            for finding in report.findings
        ],
        "settings": [
            {"argument": each.argument, "variable": each.variable, "value": each.value or None, "place": each.place}
            for each in report.settings
        ],
    }


def _summary(report: Report) -> str:
    problems, warnings, good = (len(report.of(level)) for level in (PROBLEM, WARNING, OK))
    parts = [number(problems, "problem")] if problems else []
    parts += [number(warnings, "warning")] if warnings else []
    return ", ".join([*parts, f"{good} ok"]) if parts else f"All is well: {good} ok"


def _advice(finding: Finding, style: Style, indent: str) -> Iterator[str]:
    if finding.advice:
        yield from style.wrapped(finding.advice, f"{indent}{_ARROW}", indent + " " * len(_ARROW))


def _good(report: Report, style: Style) -> Iterator[str]:
    good = report.of(OK)
    if not good:
        return
    areas = list(dict.fromkeys(finding.area for finding in good))
    good.sort(key=lambda finding: areas.index(finding.area))
    yield ""
    yield style.colored("OK", OK)
    width = max(len(finding.area) for finding in good)
    for finding in good:
        indent = " " * (len(_INDENT) + width + 2)
        yield from style.wrapped(finding.text, f"{_INDENT}{finding.area:{width}}  ", indent)
        yield from _advice(finding, style, indent)


def _settings(settings: Sequence[Said], style: Style, *, everything: bool) -> Iterator[str]:
    shown = [each for each in settings if everything or each.is_visible]
    if not shown:
        return
    yield ""
    yield "SETTINGS"
    names = max(len(each.variable) for each in shown)
    for each in shown:
        value = brief(each.value, _LONGEST_VALUE) or "-"
        place = brief(each.place, _LONGEST_VALUE)
        line = f"{_INDENT}{each.variable:{names}}  {value}  ({place})"
        if len(line) <= style.width:
            yield line
        else:
            yield f"{_INDENT}{each.variable}"
            yield from style.wrapped(f"{value}  ({place})", _INDENT * 3, _INDENT * 3)
    if hidden := len(settings) - len(shown):
        yield f"{_INDENT}{hidden} others have their defaults; --all lists them"
