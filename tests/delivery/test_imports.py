"""No thread of ours imports a module: an import that a fork interrupts hangs the child for ever."""

import json

import pytest

from tests.delivery import importing
from tests.delivery.support import CA_FILE, TinyServer


def delivered(urls: list[str], *, imports: str = "", **options: object) -> list[str]:
    """Returns the lines that a process prints which delivers to some addresses."""
    return importing.delivered(urls, "influxdb_url", imports=imports, **importing.INFLUXDB, **options)


def test_a_delivery_imports_nothing(tiny: TinyServer) -> None:
    """Neither success nor a name to resolve nor a refusal imports anything in our thread."""
    urls = [
        tiny.url,
        f"http://localhost:{tiny.port}",
        "http://no-such-host.invalid",
        "https://no-such-höst.invalid",
        "http://127.0.0.1:1",
        f"https://localhost:{tiny.port}",
    ]
    assert delivered(urls) == ["True", "True", "False", "False", "False", "False", "[]"]


def test_a_delivery_over_tls_imports_nothing(tiny_tls: TinyServer) -> None:
    """Neither a trusted nor an unknown certificate imports anything in our thread."""
    assert delivered([tiny_tls.url, f"https://localhost:{tiny_tls.port}"], ca_file=str(CA_FILE)) == ["True"] * 2 + [
        "[]"
    ]
    assert delivered([tiny_tls.url]) == ["False", "[]"]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_delivery_through_a_proxy_imports_nothing(tiny: TinyServer, scheme: str) -> None:
    """Neither kind of proxying imports anything in our thread, whether the proxy plays along or not."""
    proxy = f"http://u:p@localhost:{tiny.port}"
    answers = delivered([f"{scheme}://influx.example"], proxy=proxy)
    assert answers == ["True" if scheme == "http" else "False", "[]"]


@pytest.mark.parametrize("status", [302, 400, 429, 503])
def test_an_answer_that_is_no_success_imports_nothing(tiny: TinyServer, status: int) -> None:
    """Judging answers, dates and all, imports nothing in our thread."""
    headers = {"Retry-After": "Fri, 13 Nov 2026 12:00:00 GMT", "Location": "/login"}
    tiny.always = type(tiny.always)(status, headers, b'{"message": "no"}')
    assert delivered([tiny.url])[-1] == "[]"


def test_an_import_in_the_thread_would_be_seen(tiny: TinyServer) -> None:
    """The watch that these tests rely on sees an import in our thread."""
    assert "wave" in json.loads(delivered([tiny.url], imports="wave")[-1])
