"""No thread of ours imports a module: an import that a fork interrupts hangs the child for ever."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.delivery.support import CA_FILE, TinyServer

ROOT = Path(__file__).parents[2]
# A process of its own, in which nothing is loaded yet. It delivers by its real thread and prints what that imported.
CODE = """
import json, sys, threading

imported = []

def hook(event, args):
    if event == "import" and threading.current_thread().name == "otel-job-measure":
        imported.append(args[0])

sys.addaudithook(hook)

from otel_job_measure.delivery.influx import InfluxSink
from otel_job_measure.delivery.lane import Lane
from otel_job_measure.delivery.shipper import Shipper
from otel_job_measure.journal.counters import Counters
from otel_job_measure.settings import Settings
from tests.delivery.support import FakeSource, ListRejects, line

urls, options = json.loads(sys.argv[1])
for url in urls:
    settings = Settings(influxdb_url=url, influxdb_token="t", influxdb_org="o", influxdb_bucket="b", **options)
    source, counters = FakeSource(), Counters()
    sink = InfluxSink(settings, counters, ListRejects())
    shipper = Shipper(source, [Lane(sink)], counters)
    source.wake = shipper.wake
    shipper.wait_for(source.append(line(1)), 10, unless_down=True)
    assert sink.reachable is not None
    print(sink.reachable)
    # A bug too is told without an import.
    source.trouble = ZeroDivisionError("oops")
    source.wake()
    shipper.close(10)
print(json.dumps(imported))
"""


def delivered(urls: list[str], **options: object) -> list[str]:
    """Returns the lines that a process prints which delivers to some addresses."""
    command = [sys.executable, "-c", CODE, json.dumps([urls, options])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


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
    assert delivered(urls, timeout_s=5) == ["True", "True", "False", "False", "False", "False", "[]"]


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
    command = [sys.executable, "-c", CODE.replace("# A bug", "FakeSource.upkeep = None  # A bug")]
    command[-1] = command[-1].replace(
        "    shipper.wait_for(", "    source.adopt = lambda: __import__('wave')\n    shipper.wait_for("
    )
    done = subprocess.run(
        [*command, json.dumps([[tiny.url], {}])], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "wave" in json.loads(done.stdout.splitlines()[-1])
