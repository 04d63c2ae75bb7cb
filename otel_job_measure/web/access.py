"""Who may see the page, and the headers of every answer; around everything else."""

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote, urlencode

from starlette.responses import PlainTextResponse, RedirectResponse, Response

from otel_job_measure import names
from otel_job_measure.clock import SystemClock
from otel_job_measure.rate_limited_log import RateLimitedLog
from otel_job_measure.web.faults import told
from otel_job_measure.web.hosts import Hosts
from otel_job_measure.web.key import Key

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log: Final = RateLimitedLog(logging.getLogger(names.LOGGER), SystemClock())
TOKEN: Final = "token"  # noqa: S105 - the name of a parameter
"""The parameter of the URL, and the field of the form."""
ENTER: Final = "/enter"
STATIC: Final = "/static/"
_MOST_FORM: Final = 4096
_MOST_FOLDERS: Final = 50
_ELSEWHERE: Final = """This address is not the page's own. Open the URL that `otel-job-measure web` printed.
A further name of this machine needs `--allow-host NAME`.
"""
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'self'; frame-ancestors 'none'"
)
_HEADERS: Final = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_CACHE: Final = b"cache-control"
_STORE_NOTHING: Final = (_CACHE, b"no-store")


class Access:
    """Lets only those in who have the token.

    Args:
        app: What answers them.
        key: What tells whether a token is right.
        hosts: The hosts under which the page can be asked for.
        locked: Returns the page that asks for the token, for a path; it is told whether a wrong one was given.
    """

    def __init__(self, app: "ASGIApp", key: Key, hosts: Hosts, locked: "Callable[[str, bool], str]") -> None:
        self._app = app
        self._key = key
        self._hosts = hosts
        self._locked = locked

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answers a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)  # the server's start and end
            return

        async def send_with_headers(message: "Message") -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": list(_with_ours(message.get("headers", ())))}
            await send(message)

        try:
            answer = await self._answer(scope, receive)
            await (answer or self._app)(scope, receive, send_with_headers)
        except Exception as error:  # noqa: BLE001 - the server's own log would show the URL
            _log.log(logging.ERROR, "page", "the page failed: %s", told(error))

    async def _answer(self, scope: "Scope", receive: "Receive") -> Response | None:
        """Returns the answer to a request that may not go on; None if it may."""
        hosts = _values(scope, b"host")
        if len(hosts) != 1 or not self._hosts.allows(hosts[0]):
            return PlainTextResponse(_ELSEWHERE, status_code=421)
        if scope["path"] == ENTER and scope["method"] == "POST":
            return self._entered(scope["path"], await _form(receive))
        if scope["method"] not in {"GET", "HEAD"}:
            return PlainTextResponse("This page is read-only.\n", status_code=405, headers={"Allow": "GET, HEAD"})
        return None if scope["path"].startswith(STATIC) else self._visited(scope)

    def _visited(self, scope: "Scope") -> Response | None:
        """Returns the answer to a visitor without the cookie; None if there is one."""
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = [value for name, value in pairs if name == TOKEN]
        if given:
            return self._with_token(scope["path"], given[0], [pair for pair in pairs if pair[0] != TOKEN])
        if any(map(self._key.is_in, _values(scope, b"cookie"))):
            return None
        return self._refused(scope["path"], is_wrong=False)

    def _with_token(self, path: str, token: str, others: list[tuple[str, str]]) -> Response:
        """Answers the first visit: the token goes out of the URL, whether it is right or not."""
        if not self._key.fits(token):
            return self._refused(path, is_wrong=True)
        to = f"./{quote(path.rpartition('/')[2])}"  # beside this address, never to another site
        return self._let_in(f"{to}?{urlencode(others)}" if others else to)

    def _entered(self, path: str, token: str | None) -> Response:
        if token is None or not self._key.fits(token.strip()):
            return self._refused(path, is_wrong=True)
        return self._let_in("./")

    def _let_in(self, to: str) -> Response:
        return RedirectResponse(to, status_code=303, headers={"Set-Cookie": self._key.set_cookie()})

    def _refused(self, path: str, *, is_wrong: bool) -> Response:
        return Response(self._locked(path, is_wrong), status_code=403 if is_wrong else 401, media_type="text/html")


def base_of(path: str) -> str:
    """Returns where the pages are, seen from a path; empty if they are beside it.

    All addresses are relative, so that a proxy can have the pages in any folder.
    """
    return "../" * min(_MOST_FOLDERS, path.count("/") - 1)


def _with_ours(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
    given = list(headers)
    yield from given
    yield from _HEADERS
    if all(name.lower() != _CACHE for name, _ in given):
        yield _STORE_NOTHING


def _values(scope: "Scope", name: bytes) -> list[str]:
    return [value.decode("latin-1") for found, value in scope["headers"] if found == name]


async def _form(receive: "Receive") -> str | None:
    """Returns the token of the form; None if there is none, or the body is too long for one."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > _MOST_FORM:
            return None
        if not message.get("more_body"):
            break
    fields = dict(parse_qsl(body.decode("latin-1")))
    return fields.get(TOKEN)
