"""Values as the pages show them; times are relative to the look, and the exact ones stand beside them."""

from datetime import UTC, datetime
from typing import Final

from markupsafe import Markup

from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight import words
from otel_job_measure.insight.pictures.kinds import OK, Kind, kind_of
from otel_job_measure.insight.words import exactly, span
from otel_job_measure.printable import printable
from otel_job_measure.timestamps import local, utc

SIGNS: Final = ("✓", "▲", "✕", "?")
"""The sign of each level, so that no meaning is in a colour alone."""
UNKNOWN: Final = Markup('<span class="none">-</span>')
_NS: Final = 10**9
_MOST_AT_ONCE: Final = 160


def named(name: str) -> str:
    """Returns a name as a heading or a link has it; one of spaces alone would not show."""
    return name if name.strip() else f"“{name}”"


def cut(text: str) -> str:
    """Returns the beginning of a text that would fill the screen of a phone; empty if it is shown whole."""
    shown = "" if isinstance(text, Markup) else printable(text)
    return f"{shown[:_MOST_AT_ONCE]}…" if len(shown) > _MOST_AT_ONCE else ""


def exact(text: str) -> Markup:
    """Returns a value that a form sends back: what would not show is a reference, which the browser resolves."""
    return Markup("").join(char if printable(char) == char else Markup("&#{};").format(ord(char)) for char in text)


def moment(at_ns: int | None) -> Markup:
    """Returns the time of a look: without its date if it is today's."""
    if at_ns is None:
        return UNKNOWN
    at = local(at_ns)
    is_today = at.date() == datetime.now(UTC).astimezone().date()
    return _time(at_ns, f"{at:%H:%M:%S}" if is_today else exactly(at_ns))


def at(at_ns: int | None) -> Markup:
    """Returns a time to the second."""
    return UNKNOWN if at_ns is None else _time(at_ns, exactly(at_ns))


def ago(at_ns: int | None, now_ns: int) -> Markup:
    """Returns how long ago a time was; one of the future is said to be so."""
    if at_ns is None:
        return UNKNOWN
    passed_s = (now_ns - at_ns) / _NS
    return _time(at_ns, f"{span(passed_s)} ago" if passed_s >= 0 else f"in {span(-passed_s)}")


def held(since_ns: int | None, now_ns: int) -> str:
    """Returns for how long something has held; empty if that is unknown: a wrong clock can put its begin ahead."""
    return "" if since_ns is None or since_ns > now_ns else span((now_ns - since_ns) / _NS)


def percent(part: float | None) -> Markup | str:
    """Returns a part of one; only all is 100 %."""
    if part is None:
        return UNKNOWN
    return words.percent(part)


def outcome(run: RunRecord) -> Markup:
    """Returns how a run ended, with a sign."""
    kind = kind_of(run)
    return Markup('<span class="outcome {}">{}</span>').format(kind.name, _signed(kind, ended_word(run)))


def last(run: RunRecord, now_ns: int) -> Markup:
    """Returns when a run was, with its outcome unless it is fine."""
    at_ns = run.started_ns if run.started_ns is not None else run.ended_ns
    when = ago(at_ns, now_ns)
    return when if kind_of(run) is OK else Markup("{} {}").format(when, outcome(run))


def ended_word(run: RunRecord) -> str:
    """Returns the outcome of a run in a word or two."""
    kind = kind_of(run)
    if run.reason is None or run.reason in {"error", "lost"}:
        return kind.word
    return f"{kind.word}: {printable(run.reason[:40])}"


def _signed(kind: Kind, word: str) -> Markup:
    return Markup('<span class="sign" aria-hidden="true">{}</span> {}').format(kind.sign, word)


def _time(at_ns: int, shown: str) -> Markup:
    """Returns a time with its exact value for programs and as a tooltip."""
    iso = f"{utc(at_ns):%Y-%m-%dT%H:%M:%SZ}"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso, exactly(at_ns), shown)
