"""Who may see the page."""

import logging
import re

import pytest
from starlette.testclient import TestClient

from tests.web.site import HERE, TOKEN, no_store, site_of

HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
PATHS = (
    "/",
    "/job?job=a",
    "/run?uuid=a",
    "/live",
    "/nothing",
    "/?q=%00",
    "//evil.example",
    "/static",
    "/Static/page.css",
)


@pytest.fixture(scope="module")
def any_client() -> TestClient:
    """A browser; nothing looks."""
    return TestClient(site_of(no_store).app, base_url=HERE, follow_redirects=False)


@pytest.fixture
def client(any_client: TestClient) -> TestClient:
    """A browser without the cookie."""
    any_client.cookies.clear()
    return any_client


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "cookie",
    ["", "otel_job_measure_8765=", "otel_job_measure_8765=x; a=b", "\xff=\xff", f"otel_job_measure_8765={TOKEN}"],
)
def test_nothing_is_shown_without_the_token(client: TestClient, path: str, cookie: str) -> None:
    """Whatever is asked for, and whatever else is sent."""
    found = client.get(f"{HERE}{path}", headers=[(b"Cookie", cookie.encode("latin-1"))] if cookie else [])
    assert found.status_code == 401
    assert "asks for its token" in found.text
    assert "InfluxDB" not in found.text


@pytest.mark.parametrize("token", ["", "x", TOKEN[:-1], f"{TOKEN}x", TOKEN.upper(), "%C3%A9", "%00", f"{TOKEN}%00"])
def test_a_wrong_token_is_refused(client: TestClient, token: str) -> None:
    """A token that nearly fits, and one that no token can be."""
    found = client.get(f"/?token={token}")
    assert found.status_code == 403
    assert "That is not the token" in found.text
    assert "set-cookie" not in found.headers


def test_the_token_becomes_a_cookie_and_leaves_the_url(client: TestClient) -> None:
    """The cookie is for this page alone: scripts do not see it, other sites only lead here with it."""
    found = client.get(f"/job?a=1&token={TOKEN}&b=%2F%3D")
    assert (found.status_code, found.headers["location"]) == (303, "./job?a=1&b=%2F%3D")
    cookie = found.headers["set-cookie"]
    assert cookie.startswith("otel_job_measure_8765=")
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Lax")
    assert TOKEN not in cookie
    value = cookie.partition(";")[0]
    client.cookies.clear()
    known = client.get("/nothing", headers={"Cookie": f"other=1; bad key=2; {value}; x"})
    assert known.status_code == 404


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example/", "/%5Cevil.example", "///evil.example"])
def test_the_redirect_stays_here(client: TestClient, path: str) -> None:
    """A path that looks like another site is none."""
    to = client.get(f"{HERE}{path}?token={TOKEN}").headers["location"]
    assert to.startswith("./")
    assert not to.startswith((".//", "./\\"))


@pytest.mark.parametrize(
    ("path", "base"),
    [("/", None), ("/job", None), ("/a/b", "../"), ("/a/b/", "../../"), (f"/{'x/' * 2000}", "../" * 50)],
)
def test_every_address_is_relative(client: TestClient, path: str, base: str | None) -> None:
    """A proxy can have the page in a folder: no address begins at the root of the host."""
    html = client.get(f"{HERE}{path}").text
    assert not re.findall(r'(?:href|src|action)="/', html)
    assert re.findall('<base href="(.*?)">', html) == ([] if base is None else [base])
    assert 'action="enter"' in html


@pytest.mark.parametrize(
    "path",
    ["/static/../page.css", "/static/%2e%2e/%2e%2e/etc/passwd", "/static//etc/passwd", "/static/page.css/", "/%2e%2e"],
)
def test_no_path_leads_to_other_files(client: TestClient, path: str) -> None:
    """Only the files of the page are there, by their names."""
    found = client.get(f"{HERE}{path}")
    assert found.status_code in {401, 404}
    assert "root:" not in found.text


def test_a_head_request_has_no_body(client: TestClient) -> None:
    """It says what the page would say in its headers."""
    assert client.head("/static/page.css").headers["content-type"].startswith("text/css")
    assert client.head("/").status_code == 401
    assert client.head("/").headers["x-frame-options"] == "DENY"


def test_the_form_takes_the_token_too(client: TestClient) -> None:
    """On a phone, a URL is hard to type; a body that is too long is not read."""
    assert client.post("/enter", data={"token": f" {TOKEN} "}).status_code == 303
    assert client.post("/enter", data={"token": "wrong"}).status_code == 403
    assert client.post("/enter", data={"token": TOKEN, "more": "x" * 5000}).status_code == 403
    assert client.post("/enter", content=b"\xff\xfe&&&=;%").status_code == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_the_page_only_reads(client: TestClient, method: str) -> None:
    """Every other method is refused, with the token too."""
    assert client.request(method, f"/?token={TOKEN}").status_code == 405


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8765", 401),
        ("127.0.0.1", 401),
        ("127.0.0.2:9", 401),
        ("localhost:1234", 401),
        ("LOCALHOST.", 401),
        ("[::1]:8765", 401),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:8765", 421),
        ("127.0.0.1@evil.example", 421),
        ("10.0.0.1", 421),
        ("0.0.0.0", 421),  # noqa: S104 - the case of the test
        ("", 421),
        ("127.0.0.1:8765:1", 421),
        ("127.0.0.1:x", 421),
        ("[::1", 421),
        ("localhost/", 421),
    ],
)
def test_another_host_is_refused(client: TestClient, host: str, status: int) -> None:
    """A name of another site may lead a browser here; the token would not help against its scripts."""
    assert client.get("/", headers={"Host": host}).status_code == status
    if status == 421:
        assert client.get(f"/?token={TOKEN}", headers={"Host": host}).status_code == 421
        assert client.get("/static/page.css", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("path", [*PATHS, f"/?token={TOKEN}", "/static/page.css", "/static/nothing"])
def test_every_answer_has_the_headers(client: TestClient, path: str) -> None:
    """Nothing from elsewhere, nothing inline, no frame, no guess of a type, no address for others, nothing stored."""
    found = client.get(f"{HERE}{path}")
    policy = found.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    wanted = dict(HEADERS)
    if path == "/static/page.css":
        wanted["cache-control"] = "public, max-age=31536000, immutable"
    assert {name: found.headers[name] for name in wanted} == wanted


def test_a_failure_is_logged_without_the_token(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    """A query that no page expects says nothing about the visit."""
    logging.getLogger("httpx2").setLevel(logging.CRITICAL)  # the browser's own
    with caplog.at_level(logging.DEBUG):
        client.get(f"/job?token={TOKEN}")
        client.get("/?token=wrong-but-long-enough")
    assert TOKEN not in caplog.text
    assert "wrong-but-long-enough" not in caplog.text
