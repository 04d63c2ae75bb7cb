"""One run for people: what is known, a line each, then its output and the runs around it."""

from collections.abc import Iterator
from typing import Final

from rich.text import Text

from otel_job_measure import names
from otel_job_measure.cli.table import OK, status
from otel_job_measure.cli.terminal import apart, console
from otel_job_measure.history.run_record import RUNNING, RunRecord
from otel_job_measure.insight.run_page import END_OF_LOST, RunPage
from otel_job_measure.insight.words import cause, closed, took
from otel_job_measure.journal.kept_output import STACK
from otel_job_measure.printable import brief, printable
from otel_job_measure.timestamps import local

_LABEL: Final = 10
_MOST: Final = 4000


def print_page(page: RunPage) -> None:
    """Prints a run."""
    where = console()
    for line in (*filter(None, _lines(page)), *_output(page)):
        where.print(line, soft_wrap=True)


def _lines(page: RunPage) -> Iterator[Text]:
    run, now_ns = page.run, page.at_ns
    yield Text.assemble((closed(brief(run.job, _MOST)), "bold"), "  ", status(run), _why(run))
    yield _line("run", run.uuid)
    yield _line("project", "/".join(part for part in (run.project, run.stage) if part))
    yield _line("datacenter", run.datacenter)
    for name, value in run.tags.items():
        yield _line(name, value)
    yield _line("host", run.host)
    yield _line("started", _time(run.started_ns, now_ns))
    yield _line("ended", END_OF_LOST if run.reason == names.REASON_LOST else _time(run.ended_ns, now_ns))
    yield _line("took", took(run.duration_s))
    if run.status == RUNNING:
        yield _line("running", f"for {took(page.age_s)}{_alive(page)}")
    yield _line("due", _time(page.due_ns, now_ns))
    yield _line("late", took(run.lag_s))
    yield _line("queued", took(run.queued_s))
    yield _line("trigger", run.trigger)
    yield _line("attempt", _attempt(page))
    yield _line("task", run.task_id)
    yield _line("error", run.error_type)
    yield _line("message", run.error_message)
    yield _line("trace", run.trace_id)
    yield _line("span", run.span_id)
    yield _line("link", page.trace_url)
    for each in page.attempts if len(page.attempts) > 1 else ():
        yield _other(f"attempt {each.attempt or 1}", each, now_ns)
    yield _other("before", page.before, now_ns)
    yield _other("after", page.after, now_ns)


def _line(label: str, value: str | None) -> Text:
    """Returns a line; one without a value is left out."""
    if not value:
        return Text()
    return Text.assemble((f"  {brief(label, _MOST):{_LABEL}}  ", "dim"), closed(brief(value, _MOST)))


def _why(run: RunRecord) -> str:
    why = ", ".join(map(printable, cause(run.reason, run.error_type)))
    return f": {brief(why, _MOST)}" if why else ""


def _alive(page: RunPage) -> str:
    if page.open is None or page.open.alive_ns is None:
        return ""
    return f", the last sign of life {apart(page.open.alive_ns, page.at_ns)} ago"


def _time(time_ns: int | None, now_ns: int) -> str:
    if time_ns is None:
        return ""
    far = apart(time_ns, now_ns)
    how = far if far == "now" else f"in {far}" if time_ns > now_ns else f"{far} ago"
    return f"{local(time_ns):%Y-%m-%d %H:%M:%S.%f %z} ({how})"


def _attempt(page: RunPage) -> str:
    attempt = page.run.attempt
    if attempt is None:
        return ""
    return f"{attempt} of {len(page.attempts)} so far" if len(page.attempts) > 1 else str(attempt)


def _other(label: str, run: RunRecord | None, now_ns: int) -> Text:
    if run is None:
        return Text()
    word = OK if run.status == names.STATUS_END else brief(run.status)
    return _line(label, f"{run.uuid}  {word}{_why(run)}  {took(run.duration_s)}  {_time(run.started_ns, now_ns)}")


def _output(page: RunPage) -> Iterator[Text]:
    for stream, data in page.output.items():
        text = data.decode("utf-8", "replace").removesuffix("\n")
        if text:
            title = "stack" if stream == STACK else f"{brief(stream)}, the last {len(data)} bytes"
            yield Text(f"\n{title}:", style="dim")
            for line in text.split("\n"):
                yield Text(brief(line.expandtabs(), _MOST))
