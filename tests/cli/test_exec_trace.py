import os
import signal
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.resources import OTELResourceDetector

from otel_job_measure.cli.exec import tracing
from tests.support.backend import Backend, attributes_of
from tests.support.exec_ import BREAK, EXEC, patched, points, run, running

pytestmark = pytest.mark.usefixtures("long_ends")

TELL = ["sh", "-c", "echo $TRACEPARENT; echo $TRACESTATE; exit ${CODE:-0}"]
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STATE = "vendor=value"
# As at a limit of threads, but the SDK has got what it needs.
NO_THREAD = """
import threading
start = threading.Thread.start
def broken(self):
    if self.name.startswith("exec-"): raise RuntimeError("no thread")
    start(self)
threading.Thread.start = broken
"""


@pytest.fixture
def collector() -> Iterator[Backend]:
    """A trace backend that takes everything."""
    made = Backend()
    yield made
    made.close()


def environment(collector: Backend, **more: str) -> Mapping[str, str]:
    """Returns an environment that asks for spans at the collector."""
    return os.environ | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url} | more


def carried(told: bytes) -> tuple[str, str, bool, str]:
    """Returns what TELL tells: the ids of trace and span, whether they are sampled, and the state."""
    parent, state = told.decode().splitlines()
    version, trace_id, span_id, flags = parent.split("-")
    assert version == "00"
    return trace_id, span_id, bool(int(flags, 16) & 1), state


def test_the_span_of_a_run_is_exported(collector: Backend, state_dir: Path) -> None:
    """It says of the run what a job's span says, has its very times, and is the parent of the command's own."""
    done = run(
        [*EXEC, *TELL], environment=environment(collector, CODE="3", OTEL_SERVICE_NAME="billing", PROJECT_STAGE="test")
    )
    assert (done.returncode, done.stderr) == (3, b"")
    [(resource, span)] = collector.spans()
    start, row, _ = points(state_dir)
    assert (span.name, span.kind, span.parent_span_id) == ("run job", Span.SPAN_KIND_INTERNAL, b"")
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (start.time_ns, row.time_ns)
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert attributes_of(span) == {
        "scheduling.job.name": "job",
        "scheduling.job.run_id": start.fields["uuid"],
        "scheduling.job.project": "billing",
        "scheduling.job.stage": "test",
        "scheduling.job.host": os.uname().nodename,
        "scheduling.job.duration": "",  # no string
        "scheduling.job.status": "failed",
        "scheduling.job.reason": "exit",
        "error.type": "exit 3",
    }
    assert attributes_of(resource)["service.name"] == "billing"
    ids = (span.trace_id.hex(), span.span_id.hex())
    assert carried(done.stdout) == (*ids, True, "")
    assert (row.fields["trace_id"], row.fields["span_id"]) == ids


def test_a_span_that_comes_in_is_the_parent(collector: Backend) -> None:
    """TRACEPARENT and TRACESTATE are carried through us: our span is between the two."""
    variables = environment(collector, TRACEPARENT=PARENT, TRACESTATE=STATE)
    done = run([*EXEC, *TELL], environment=variables)
    [(_, span)] = collector.spans()
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == tuple(PARENT.split("-")[1:3])
    assert carried(done.stdout) == (span.trace_id.hex(), span.span_id.hex(), True, STATE)
    assert span.status.code == Status.STATUS_CODE_UNSET


def test_a_state_without_a_usable_parent_does_not_go_on(collector: Backend) -> None:
    """TRACESTATE belongs to one TRACEPARENT, and is not put beside another."""
    variables = environment(collector, TRACEPARENT="nonsense", TRACESTATE=STATE)
    done = run([*EXEC, *TELL], environment=variables)
    [(_, span)] = collector.spans()
    assert carried(done.stdout) == (span.trace_id.hex(), span.span_id.hex(), True, "")


@pytest.mark.parametrize(
    "variables", [{"OTEL_TRACES_SAMPLER": "always_off"}, {"TRACEPARENT": PARENT.removesuffix("01") + "00"}]
)
def test_what_is_not_sampled_is_measured_and_not_exported(
    variables: dict[str, str], collector: Backend, state_dir: Path
) -> None:
    """The sampler decides about the span; the run is recorded, without ids that no backend has."""
    done = run([*EXEC, *TELL], environment=environment(collector, **variables))
    assert (done.returncode, done.stderr) == (0, b"")
    assert collector.spans() == []
    *_, sampled, state = carried(done.stdout)
    assert (sampled, state) == (False, "")
    _, row, _ = points(state_dir)
    assert {"trace_id", "span_id"} & row.fields.keys() == set()


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_SDK_DISABLED": "true"},
        {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_TRACES_EXPORTER": "console"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
    ],
)
def test_where_no_span_is_wanted_there_is_none(variables: dict[str, str], collector: Backend, state_dir: Path) -> None:
    """The standard variables that switch traces off leave what came in to the command as it is."""
    asked = {"TRACEPARENT": PARENT, "TRACESTATE": STATE} | variables
    done = run([*EXEC, *TELL], environment=environment(collector, **asked))
    assert (done.stdout.decode(), done.stderr) == (f"{PARENT}\n{STATE}\n", b"")
    assert collector.spans() == []
    assert len(points(state_dir)) == 3


def test_the_variables_of_traces_alone_are_enough(collector: Backend, tmp_path: Path) -> None:
    """The endpoint of traces counts without the general one, also from the file of settings; a list may name others."""
    file = tmp_path / "env"
    file.write_text(
        f"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT={collector.url}/here\nOTEL_TRACES_EXPORTER=console,otlp\n"
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf\n"
    )
    done = run([*EXEC[:-2], "--env-file", str(file), *EXEC[-2:], "true"])
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(collector.spans("/here")) == 1


@pytest.mark.parametrize(
    ("variables", "broken", "words"),
    [
        (
            {},
            "import sys; sys.modules['opentelemetry.exporter.otlp.proto.http'] = None",
            "the exporter for http/protobuf is not installed: pip install 'otel-job-measure[otlp]'",
        ),
        (
            {},
            "import sys; sys.modules['opentelemetry.exporter.otlp'] = None",
            "the exporter for http/protobuf is not installed: pip install 'otel-job-measure[otlp]'",
        ),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "import sys; sys.modules['opentelemetry.exporter.otlp.proto.grpc'] = None",
            "the exporter for grpc is not installed: pip install opentelemetry-exporter-otlp-proto-grpc",
        ),
        (
            {"OTEL_TRACES_EXPORTER": "otlp_proto_grpc"},
            "import sys; sys.modules['opentelemetry.exporter.otlp.proto.grpc'] = None",
            "the exporter for grpc is not installed: pip install opentelemetry-exporter-otlp-proto-grpc",
        ),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
            "",
            "no exporter has the protocol 'http/json'; use http/protobuf",
        ),
    ],
)
def test_an_exporter_that_is_not_there_is_one_line(
    variables: dict[str, str], broken: str, words: str, collector: Backend, state_dir: Path
) -> None:
    """The line tells what to install; the command runs, and is measured without a span."""
    done = run([*patched(broken), *TELL], environment=environment(collector, CODE="3", **variables))
    assert (done.returncode, done.stdout) == (3, b"\n\n")
    assert done.stderr.decode() == f"otel-job-measure: the run has no span: {words}\n"
    assert len(points(state_dir)) == 3


@pytest.mark.parametrize("method", ["start", "variables", "load", "end", "finish"])
def test_a_span_that_fails_costs_the_run_nothing(method: str, collector: Backend, state_dir: Path) -> None:
    """Whatever of the span breaks, the command runs to its end and is measured."""
    broken = f"{BREAK}from otel_job_measure.cli.exec.span import RunSpan; RunSpan.{method} = broken"
    done = run([*patched(broken), "sh", "-c", "exit 3"], environment=environment(collector))
    assert done.returncode == 3
    assert done.stderr.startswith(b"otel-job-measure: the")
    assert done.stderr.endswith(b": 5\n")
    assert done.stderr.count(b"\n") == 1
    assert len(points(state_dir)) == 3


def test_where_there_is_no_thread_for_us_the_command_is_still_watched(collector: Backend, state_dir: Path) -> None:
    """At a limit of threads the command is waited for first; its span can't be exported, which is one line."""
    done = run([*patched(NO_THREAD), *TELL], environment=environment(collector, CODE="3"))
    assert (done.returncode, done.stderr) == (3, b"otel-job-measure: the span is not exported: no thread\n")
    assert len(points(state_dir)) == 3


def test_a_backend_that_refuses_is_one_line() -> None:
    """What the exporter says of a failure is one line on stderr, after the command."""
    refusing = Backend(code=401)
    try:
        done = run([*EXEC, "sh", "-c", "exit 3"], environment=environment(refusing))
    finally:
        refusing.close()
    assert done.returncode == 3
    assert done.stderr.startswith(b"otel-job-measure: the span is not exported: ")
    assert b"401" in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_a_backend_that_does_not_answer_is_waited_for_so_long() -> None:
    """The exit code comes after SHUTDOWN_TIMEOUT, with one line, though the exporter would wait longer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "60",
            "OTEL_JOB_MEASURE_SHUTDOWN_TIMEOUT": "100ms",
        }
        done = run([*EXEC, "sh", "-c", "exit 3"], environment=os.environ | variables)
    assert (done.returncode, done.stderr) == (
        3,
        b"otel-job-measure: the span is not exported: it took too long\n",
    )


def test_a_signal_ends_the_waiting(state_dir: Path) -> None:
    """SIGTERM while only the export is waited for ends us at once, as the command ended; ignored ones stay so."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "60",
            "OTEL_JOB_MEASURE_SHUTDOWN_TIMEOUT": "60s",
        }
        ignoring = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh"]
        for command, status in (("exit 3", 3), ("kill -KILL $$", -signal.SIGKILL)):
            with running([*ignoring, *EXEC, "sh", "-c", command], environment=os.environ | variables) as process:
                asked, _ = silent.accept()
                with asked:
                    asked.recv(1)
                    process.send_signal(signal.SIGUSR1)
                    process.send_signal(signal.SIGHUP)
                    process.send_signal(signal.SIGTERM)
                    assert process.wait() == status
    assert len(points(state_dir)) == 6


def test_the_resource_is_read_as_the_sdk_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the SDK the variables of the resource give what its own detector gives."""
    for attributes in ("", "a=b", " a = b , c=d%20e,bad,=x,f=", "a=1,a=2,service.name=x", "a=b=c"):
        for service in ("", "billing"):
            monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", attributes)
            monkeypatch.setenv("OTEL_SERVICE_NAME", service)
            assert tracing.resource() == dict(OTELResourceDetector().detect().attributes)


def test_the_exporter_follows_no_redirect(collector: Backend) -> None:
    """It would take the headers with it, and a key among them."""
    redirecting = Backend(307, f"{collector.url}/v1/traces")
    variables = environment(redirecting, OTEL_EXPORTER_OTLP_HEADERS="api-key=very-secret")
    done = run([*EXEC, "true"], environment=variables)
    asked = redirecting.spans()
    redirecting.close()
    assert (done.returncode, len(asked), collector.spans()) == (0, 1, [])
    assert b"very-secret" not in done.stderr
