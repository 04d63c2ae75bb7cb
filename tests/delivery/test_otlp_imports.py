"""What the OTLP sink imports: nothing in our thread, nothing where it isn't used; and what is missing is said."""

import subprocess
import sys

import pytest

from tests.delivery import importing
from tests.delivery.receivers import GrpcReceiver, GrpcReply
from tests.delivery.support import CA_FILE, Reply, TinyServer
from tests.support.uncovered import uncovered

# What there is not: None in sys.modules is as good as not installed.
MISSING = """
import sys
sys.modules.update(dict.fromkeys(sys.argv[1].split(",")))
from otel_job_measure import JobMeasure, Settings
from otel_job_measure.errors import MissingDependencyError
from otel_job_measure.cli.exec.run import CommandRecorder
settings = Settings.from_env(sink="otlp", otlp_protocol=sys.argv[2])
JobMeasure(settings, ship=False)  # a process that only appends needs none
CommandRecorder(settings)
try:
    JobMeasure(settings)
except MissingDependencyError as error:
    print(error)
"""
# The ready middleware runs a job all the same.
READY = """
import sys
sys.modules["opentelemetry.proto"] = None
from otel_job_measure import compose_sync, job_measure_sync
print(compose_sync([job_measure_sync], lambda ctx: 42)({"name": "j"}))
"""
HEAVY = ["grpc", "google.protobuf", "influxdb_client", "urllib3"]
LOADED = f"""
import sys
from otel_job_measure import JobMeasure
measure = JobMeasure(sink="otlp", otlp_protocol=sys.argv[1], ship=sys.argv[2] == "on")
print(*(name for name in {HEAVY} if name in sys.modules))
"""


def run(code: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs code in a process of its own."""
    command = [sys.executable, "-c", code, *arguments]
    environment = uncovered() | variables
    done = subprocess.run(
        command, cwd=importing.ROOT, env=environment, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return done


def delivered(urls: list[str], **options: str) -> list[str]:
    """Returns what a process prints that delivers to some addresses."""
    return importing.delivered(urls, "otlp_endpoint", sink="otlp", **options)


def test_a_delivery_over_http_imports_nothing(http: TinyServer) -> None:
    """Neither success nor a name to resolve nor an answer that is none imports anything in our thread."""
    http.replies = [
        http.always,
        Reply(503, {"Retry-After": "Fri, 13 Nov 2026 12:00:00 GMT"}),
        Reply(302, {"Location": "/login"}),
    ]
    urls = [http.url, f"http://localhost:{http.port}", http.url, "http://no-such-host.invalid", "http://127.0.0.1:1"]
    said = delivered(urls)
    assert (said[0], said[-3:]) == ("True", ["False", "False", "[]"])
    assert len(http.requests) >= 3


def test_a_delivery_over_grpc_imports_nothing(grpc: GrpcReceiver) -> None:
    """The same, though the library loads parts of itself late."""
    grpc.replies = [GrpcReply(), GrpcReply("UNAVAILABLE", "no"), GrpcReply("INVALID_ARGUMENT")]
    urls = [grpc.url, f"http://localhost:{grpc.port}", grpc.url, "http://no-such-host.invalid", "http://127.0.0.1:1"]
    said = delivered(urls, otlp_protocol="grpc")
    assert (said[0], said[-3:]) == ("True", ["False", "False", "[]"])
    assert len(grpc.requests) >= 3


def test_a_delivery_over_tls_imports_nothing(http_tls: TinyServer, grpc_tls: GrpcReceiver) -> None:
    """Neither a trusted nor an unknown certificate imports anything in our thread."""
    for url, protocol in ((http_tls.url, "http/protobuf"), (grpc_tls.url, "grpc")):
        trusting = delivered([url], otlp_protocol=protocol, otlp_certificate=str(CA_FILE))
        assert (trusting, delivered([url], otlp_protocol=protocol)) == (["True", "[]"], ["False", "[]"])


@pytest.mark.parametrize(
    ("modules", "protocol", "extra"),
    [
        ("opentelemetry.proto", "http/protobuf", "otlp"),
        ("google.rpc", "http/protobuf", "otlp"),
        ("grpc", "grpc", "otlp-grpc"),
        ("grpc,opentelemetry.proto", "grpc", "otlp-grpc"),
    ],
)
def test_a_missing_library_raises_with_the_line_that_installs_it(modules: str, protocol: str, extra: str) -> None:
    """Where a `JobMeasure` is made that delivers, at once; not in one that only writes."""
    said = run(MISSING, modules, protocol).stdout
    assert said.endswith(f"pip install 'otel-job-measure[{extra}]'\n")
    assert "OTEL_JOB_MEASURE_SINK" in said


def test_a_job_runs_where_a_library_is_missing() -> None:
    """The ready middleware says what to install, in one line, and the job returns what it returns."""
    done = run(READY, OTEL_JOB_MEASURE_SINK="otlp")
    assert done.stdout == "42\n"
    [line] = done.stderr.splitlines()
    assert line.endswith("pip install 'otel-job-measure[otlp]'")


@pytest.mark.parametrize(
    ("protocol", "ship", "loaded"),
    [
        ("http/protobuf", "on", "google.protobuf urllib3"),
        ("grpc", "on", "grpc google.protobuf"),
        ("grpc", "off", ""),
    ],
)
def test_only_what_is_used_is_loaded(protocol: str, ship: str, loaded: str) -> None:
    """Neither InfluxDB's client nor the other protocol's; and nothing in a process that only writes."""
    assert run(LOADED, protocol, ship).stdout.strip() == loaded
