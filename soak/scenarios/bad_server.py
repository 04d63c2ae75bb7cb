"""What lies between a process and a real InfluxDB answers each request in a way of its own, by chance."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, cast

from soak.asked import Asked
from soak.fault import fault
from soak.found import in_influx
from soak.ground import Ground
from soak.secrecy import keeps_secret
from soak.tally import Row
from tests.delivery.exchange import Exchange, Play, Reply
from tests.delivery.support import CA_FILE, TinyServer

if TYPE_CHECKING:
    from tests.support.influx import InfluxServer

_RUNS: Final = 20
_PASSWORD: Final = "the-password-of-a-proxy"
_LOGIN: Final = Reply(302, {"Location": "https://login.example/?token=x"})
_PAGE: Final = Reply(200, {"Content-Type": "text/html"}, b"<html><body>Please sign in</body></html>")
_NO_ORG: Final = Reply(400, {}, b'{"code":"invalid","message":"Please provide either orgID or org"}')
_FAULTY: Final = Reply(500, {}, b'{"code":"internal error","message":"unexpected error writing points"}')


def cut(answer: bytes) -> Play:
    """Passes a request on, and loses the answer behind these bytes."""

    def play(exchange: Exchange) -> None:
        exchange.passed_on(exchange.server_url)
        exchange.say(answer)
        exchange.reset()

    return play


def unread(exchange: Exchange) -> None:
    """Takes a request's head, and then nothing more."""
    exchange.hang()


def black_hole(exchange: Exchange) -> None:
    """Takes a whole request, and says nothing."""
    _ = exchange.body
    exchange.hang()


def replies(reply: Reply) -> Play:
    """Answers, and passes nothing on."""

    def play(exchange: Exchange) -> None:
        _ = exchange.body
        exchange.answer(reply)

    return play


BAD: Final[Mapping[str, Play]] = {
    "resets at once": lambda exchange: exchange.reset(),
    "resets before the answer": cut(b""),
    "resets in the middle of the answer": cut(b"HTTP/1.1 204 No"),
    "resets in the middle of a body": cut(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 500\r\n\r\nabc"),
    "speaks no HTTP": cut(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "does not read": unread,
    "does not answer": black_hole,
    "429": replies(Reply(429, {"Retry-After": "1"})),
    "503": replies(Reply(503, {"Retry-After": "1"}, b"over capacity")),
    "500": replies(_FAULTY),
    "502 of a proxy": replies(Reply(502, {}, b"<html>Bad Gateway</html>")),
    "401": replies(Reply(401, {}, b'{"code":"unauthorized","message":"unauthorized access"}')),
    "403": replies(Reply(403, {}, b'{"code":"forbidden","message":"insufficient permissions for write"}')),
    "404": replies(Reply(404, {}, b'{"code":"not found","message":"bucket \\"b\\" not found"}')),
    "400 not about a line": replies(_NO_ORG),
    "a login page": replies(_LOGIN),
    "200 with HTML": replies(_PAGE),
    "202 of a queue": replies(Reply(202)),
}


class Between:
    """A tiny server between a process and the real one.

    Args:
        ground: Where the real one is.
        tls: Whether it speaks TLS.
        host: The address that it listens at.
    """

    def __init__(self, ground: Ground, *, tls: bool = False, host: str = "127.0.0.1") -> None:
        self._ground = ground
        self.server = TinyServer(tls=tls, host=host)
        self.server.play = self._play
        self.bad: list[str] = []
        """What becomes of the next requests; nothing bad where it is empty."""
        self.requests = 0

    @property
    def url(self) -> str:
        """Returns its address."""
        return self.server.url

    def pass_on(self, exchange: Exchange) -> None:
        """Passes a request on, and the answer back."""
        exchange.answer(exchange.passed_on(self._ground.server.url))

    def _play(self, exchange: Exchange) -> None:
        self.requests += 1
        exchange.server_url = self._ground.server.url
        play = BAD[self.bad.pop()] if self.bad else self.pass_on
        play(exchange)


@contextmanager
def between(ground: Ground, *, tls: bool = False, host: str = "127.0.0.1") -> Generator[Between]:
    """Puts a tiny server between a process and the real one."""
    made = Between(ground, tls=tls, host=host)
    try:
        yield made
    finally:
        made.server.close()


def variables_of(ground: Ground, bucket: str, url: str, **more: str) -> dict[str, str]:
    """Returns what sends a process's points to a bucket by way of another address; the token may only write."""
    token = cast("InfluxServer", ground.server).write_only_token(bucket)
    given = ground.server.variables(bucket) | {"INFLUXDB_URL": url, "INFLUXDB_TOKEN": token}
    return given | {"OTEL_JOB_MEASURE_TIMEOUT": "0.3", "OTEL_JOB_MEASURE_SHUTDOWN_TIMEOUT": "1"} | more


@fault("a server or a proxy that misbehaves at random", brief=18, long=200, influx=True)
def bad_days(ground: Ground) -> Row:
    """Each trial is a run of answers by chance; every kind comes about as often as any other."""
    bucket = ground.server.new_bucket()
    with between(ground) as relay:
        variables = variables_of(ground, bucket, relay.url)
        asked = Asked(ground, **variables)
        asked.runs(1)
        order = list(BAD) * (ground.times // len(BAD) + 1)
        for name in ground.rng.sample(order[: ground.times], ground.times):
            relay.bad.append(name)
            asked.runs(_RUNS)
            asked.flush(0.4)
        relay.bad.clear()
        ground.expect(asked.flush(60), "what came on bad days was not delivered on a good one")
        asked.end()
        ground.expect(not asked.said("ERROR"), f"an error was logged: {asked.said('ERROR')[:3]}")
    keeps_secret(ground, variables["INFLUXDB_TOKEN"], ground.server.token)
    return ground.row(in_influx(ground.server, bucket))


@fault("413: a proxy that takes small bodies only", brief=1, long=5, influx=True)
def small_bodies(ground: Ground) -> Row:
    """It answers before it has read the body, as nginx does; the size is remembered, and all arrives."""
    bucket = ground.server.new_bucket()
    with between(ground) as relay:

        def play(exchange: Exchange) -> None:
            limit = 4096
            if exchange.length > limit:
                exchange.answer(Reply(413, {"Connection": "close"}, b"<html>413 Request Entity Too Large</html>"))
                _ = exchange.body
                exchange.handler.close_connection = True
            else:
                relay.pass_on(exchange)

        relay.server.play = play
        asked = Asked(ground, **variables_of(ground, bucket, relay.url))
        for _ in range(ground.times):
            asked.runs(1000)
            ground.expect(asked.flush(30), "a size that the proxy takes was not found")
        asked.end()
    return ground.row(in_influx(ground.server, bucket))


@fault("TLS: a private certificate, an untrusted one, one of another name", brief=1, long=1, influx=True)
def certificates(ground: Ground) -> Row:
    """Points wait while the certificate is not trusted, and the log says what to set; with the file they arrive."""
    bucket = ground.server.new_bucket()
    with between(ground, tls=True) as relay, between(ground, tls=True, host="127.0.0.2") as of_another_name:
        for variables in (
            variables_of(ground, bucket, relay.url),
            variables_of(ground, bucket, of_another_name.url, OTEL_JOB_MEASURE_CA_FILE=str(CA_FILE)),
        ):
            variables["OTEL_JOB_MEASURE_TIMEOUT"] = "10"
            asked = Asked(ground, **variables)
            asked.runs(_RUNS)
            ground.expect(not asked.flush(1), "a certificate was trusted that must not be")
            asked.end()
            ground.expect("OTEL_JOB_MEASURE_CA_FILE" in asked.app.stderr, "the log doesn't say what to set")
        ground.expect(relay.requests + of_another_name.requests == 0, "a request was sent to an unknown server")
        trusting = variables_of(ground, bucket, relay.url, OTEL_JOB_MEASURE_CA_FILE=str(CA_FILE))
        trusting["OTEL_JOB_MEASURE_TIMEOUT"] = "10"
        asked = Asked(ground, **trusting)
        asked.runs(_RUNS)
        ground.expect(asked.flush(30), "the private certificate is not trusted")
        asked.end()
        ground.ship(**trusting)
        code = ground.command("ship", "--once", "--redirect", "--env-file", "/dev/null", **trusting).end()
        ground.expect(code == 0, "what waits for the other name can't be sent to the right one")
    keeps_secret(ground, trusting["INFLUXDB_TOKEN"], ground.server.token)
    return ground.row(in_influx(ground.server, bucket))


@fault("a proxy with a user and a password, down for a while", brief=1, long=5, influx=True)
def proxied(ground: Ground) -> Row:
    """Requests go through it and nowhere else; its password is in no log either."""
    bucket = ground.server.new_bucket()
    with between(ground) as relay:
        address = relay.url.replace("http://", f"http://user:{_PASSWORD}@")
        variables = variables_of(ground, bucket, ground.server.url, OTEL_JOB_MEASURE_PROXY=address)
        asked = Asked(ground, **variables)
        for _ in range(ground.times):
            relay.bad = ["502 of a proxy", "resets at once"]
            asked.runs(_RUNS)
            asked.flush(0.3)
            asked.flush(0.3)
        ground.expect(asked.flush(30), "what waited for the proxy was not delivered")
        asked.end()
        ground.expect(relay.requests > 2, "the requests did not go through the proxy")
    keeps_secret(ground, variables["INFLUXDB_TOKEN"], ground.server.token, _PASSWORD)
    return ground.row(in_influx(ground.server, bucket))
