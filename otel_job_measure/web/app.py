"""The pages: each is rendered from the last known values, so that no request waits for the store."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from otel_job_measure.web.access import STATIC, Access, base_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp

    from otel_job_measure.web.hosts import Hosts
    from otel_job_measure.web.key import Key
    from otel_job_measure.web.stream import Stream
    from otel_job_measure.web.templates import Templates

_MOST_KEPT: Final = 64
_A_YEAR: Final = 31_536_000


class Body(NamedTuple):
    """A page without its head: what is known at once of a page that takes longer."""

    status: int
    html: str


class View(NamedTuple):
    """One kind of page."""

    path: str
    title: Callable[[Mapping[str, str]], str]
    body: Callable[[Mapping[str, str]], Awaitable[Body]]


class Pages:
    """Answers requests for pages.

    Args:
        templates: What renders.
        label: Returns where the answers come from.
        number: Returns the number of the last look; pages of one look are rendered once.
        at_once_s: A page that is not ready after so long begins with its head, and its status is 200.
    """

    def __init__(
        self, templates: "Templates", label: Callable[[], str], number: Callable[[], int], at_once_s: float
    ) -> None:
        self._at_once_s = at_once_s
        self._templates = templates
        self._label = label
        self._number = number
        self._rendered: OrderedDict[tuple[str, str, int], asyncio.Task[Body]] = OrderedDict()

    def endpoint(self, view: View) -> "Callable[[Request], Awaitable[Response]]":
        """Returns what answers requests for a view."""

        async def answer(request: "Request") -> Response:
            query = dict(request.query_params)
            head = self.head(view.title(query))
            body = self._body(view, request.url.query, query)
            done, _ = await asyncio.wait({body}, timeout=self._at_once_s)
            if done:
                return HTMLResponse(head + body.result().html, body.result().status)
            return StreamingResponse(_streamed(head, body), media_type="text/html; charset=utf-8")

        return answer

    def head(self, title: str, base: str = "") -> str:
        """Returns the head of a page; its addresses are relative, to `base` if the page is in a folder."""
        return self._templates.html("head.html", {"title": title, "label": self._label(), "base": base})

    def _body(self, view: View, text: str, query: Mapping[str, str]) -> "asyncio.Task[Body]":
        """Returns the rest of a page, which all browsers that ask for it share."""
        key = (view.path, text, self._number())
        task = self._rendered.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._rendered[key] = asyncio.ensure_future(view.body(query))
            while len(self._rendered) > _MOST_KEPT:
                self._rendered.popitem(last=False)
        return task


async def _streamed(head: str, body: "asyncio.Task[Body]") -> AsyncIterator[str]:
    yield head
    yield (await asyncio.shield(body)).html


def application(  # noqa: PLR0913, PLR0917 - its parts
    pages: Pages, views: "list[View]", stream: "Stream", templates: "Templates", key: "Key", hosts: "Hosts"
) -> "ASGIApp":
    """Returns the whole application, behind its access control."""

    async def live(_: "Request") -> Response:
        return stream.response()

    async def static(request: "Request") -> Response:
        found = templates.static.get(request.path_params["name"])
        if found is None:
            return PlainTextResponse("There is no such file.\n", status_code=404)
        kind, content = found
        return Response(content, media_type=kind, headers={"Cache-Control": f"public, max-age={_A_YEAR}, immutable"})

    async def not_found(request: "Request", _: Exception) -> Response:
        context: dict[str, Any] = {"heading": "There is no such page", "text": "", "trouble": ""}
        return HTMLResponse(
            pages.head("not found", base_of(request.scope["path"])) + templates.html("message.html", context), 404
        )

    def locked(path: str, is_wrong: bool) -> str:  # noqa: FBT001 - called by position
        context = {"title": "token", "label": "", "base": base_of(path), "is_wrong": is_wrong}
        return templates.html("locked.html", context)

    routes = [Route(view.path, pages.endpoint(view)) for view in views]
    routes += [Route("/live", live), Route(f"{STATIC}{{name}}", static)]
    app = Starlette(routes=routes, exception_handlers={404: not_found})
    app.router.redirect_slashes = False  # it would lead out of a proxy's folder
    return Access(app, key, hosts, locked)
