"""The parts of the page, put together."""

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.errors import StoreError
from otel_job_measure.web import job_page, jobs_page, run_page
from otel_job_measure.web.app import Body, Pages, View, application
from otel_job_measure.web.asker import Asker, BusyError
from otel_job_measure.web.bell import Bell
from otel_job_measure.web.faults import told
from otel_job_measure.web.keeper import Keeper, Kept
from otel_job_measure.web.look import Look, Looks, is_same
from otel_job_measure.web.server import room
from otel_job_measure.web.stream import Stream
from otel_job_measure.web.templates import Templates
from otel_job_measure.web.words import named

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from otel_job_measure.web.hosts import Hosts
    from otel_job_measure.web.key import Key

_MOST_TITLE: Final = 100
_FIRST_S: Final = 3600.0
_NO_JOB: Final = ("No such job", "Nothing is known of a job with this name, project and stage.")


class Patience(NamedTuple):
    """How long the site waits, in seconds.

    Args:
        at_once_s: For a page, before its head is sent.
        most_s: For an answer of the store.
    """

    at_once_s: float = 0.25
    most_s: float = 60.0


class Site:
    """Everything behind the socket; `start` begins to look, `stop` ends what goes on.

    Args:
        look: Takes one look at the store.
        key: What lets visitors in.
        hosts: The hosts under which the page can be asked for.
        clock: The time.
        patience: How long it waits.
    """

    def __init__(
        self, look: Looks, key: "Key", hosts: "Hosts", clock: Clock | None = None, patience: Patience | None = None
    ) -> None:
        self._patience = patience or Patience()
        self._templates = Templates()
        self._bell = Bell()
        self._keeper: Keeper[Look] = Keeper(look, clock or SystemClock(), is_same, lambda _: self._bell.ring())
        self._asker = Asker()
        self._stream = Stream(lambda: self._keeper.kept, self._bell, self._keeper.watch, room().most // 2)
        pages = Pages(self._templates, self._label, lambda: self._keeper.kept.number, self._patience.at_once_s)
        views = [
            View("/", _title("all"), self._jobs),
            View("/job", _title_of("job"), self._job),
            View("/run", _title_of("uuid"), self._run),
        ]
        self.app: ASGIApp = application(pages, views, self._stream, self._templates, key, hosts)

    def start(self) -> None:
        """Begins to look."""
        self._keeper.start()
        self._asker.start()

    def stop(self) -> None:
        """Ends the looks and the streams."""
        self._keeper.stop()
        self._stream.end()

    def _label(self) -> str:
        """Returns where the answers come from, once it is known."""
        value = self._keeper.kept.value
        return "" if value is None else value.overview.source

    async def _known(self) -> Kept[Look]:
        """Returns what is known; only before the first look it waits."""
        self._keeper.watch()
        while not (kept := self._keeper.kept).number:
            await self._bell.wait(_FIRST_S)
        return kept

    def _rendered(self, template: str, kept: Kept[Look], status: int, context: Mapping[str, Any]) -> Body:
        shared = {
            "trouble": kept.trouble,
            "at_ns": kept.at_ns or None,
            "lacks": "" if kept.value is None else kept.value.lacks,
            "label": self._label(),
        }
        return Body(status, self._templates.html(template, {**shared, **context}))

    async def _jobs(self, query: Mapping[str, str]) -> Body:
        kept = await self._known()
        overview = None if kept.value is None else kept.value.overview
        context = jobs_page.context(overview, jobs_page.Query.of(query), kept.at_ns)
        return self._rendered("jobs.html", kept, 200 if kept.value is not None else 503, context)

    async def _job(self, query: Mapping[str, str]) -> Body:
        """Renders the page of one job, from what the store says of it now."""
        kept = await self._known()
        value = kept.value
        if value is None:
            return self._nothing(kept, kept.trouble)
        asked = job_page.Query.of(query)
        return await self._answered("job.html", kept, lambda: job_page.context(value, asked), _NO_JOB)

    async def _run(self, query: Mapping[str, str]) -> Body:
        """Renders the page of one run, or the runs that an id means."""
        kept = await self._known()
        value = kept.value
        if value is None:
            return self._nothing(kept, kept.trouble)
        uuid = query.get("uuid", "")
        missing = ("No such run", f"No run has an id that begins with {named(uuid[:80])}.")
        return await self._answered(
            "run.html", kept, lambda: run_page.context(value, query, SystemClock().wall_ns()), missing
        )

    async def _answered(
        self, template: str, kept: Kept[Look], question: Callable[[], dict[str, Any] | None], missing: tuple[str, str]
    ) -> Body:
        """Renders what a question finds, or says why there is nothing."""
        try:
            context = await asyncio.wait_for(self._asker.ask(question), self._patience.most_s)
        except TimeoutError:
            return self._nothing(kept, f"It has not answered within {self._patience.most_s:g} s.")
        except (StoreError, BusyError) as error:
            return self._nothing(kept, _why(error))
        if context is None:
            heading, text = missing
            if kept.value is not None and kept.value.lacks:
                text += f" It may be in what is missing here: {kept.value.lacks}."
            return Body(404, self._templates.html("message.html", {"heading": heading, "text": text, "trouble": ""}))
        return self._rendered(template, kept, 200, context)

    def _nothing(self, kept: Kept[Look], trouble: str) -> Body:
        """Says why a page cannot be shown now."""
        heading, text = "The store does not answer", "This page is shown as soon as it does."
        return self._rendered("message.html", kept, 503, {"heading": heading, "text": text, "trouble": trouble})


def _why(error: Exception) -> str:
    return told(error) if isinstance(error, StoreError) else "Too many questions wait; try again in a moment."


def _title(text: str) -> Callable[[Mapping[str, str]], str]:
    """Returns what gives a page always the same title."""

    def title(_: Mapping[str, str]) -> str:
        return text

    return title


def _title_of(name: str) -> Callable[[Mapping[str, str]], str]:
    """Returns what gives a page one of its parameters as its title."""

    def title(query: Mapping[str, str]) -> str:
        return query.get(name, "")[:_MOST_TITLE].strip() or name

    return title
