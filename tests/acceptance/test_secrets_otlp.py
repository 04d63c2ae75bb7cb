from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Secrets, holders
from tests.acceptance.test_secrets import LOUD
from tests.delivery.receivers import PROTOBUF, GrpcReceiver, GrpcReply, closing, http_receiver, partial
from tests.delivery.support import Reply, TinyServer
from tests.support.processes import Processes

pytestmark = pytest.mark.acceptance
KEY = "key-of-a-test"


@pytest.fixture(params=["http/protobuf", "grpc"])
def receiver(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A receiver that repeats the key that it was sent, in whatever it answers."""
    made: TinyServer | GrpcReceiver
    words = f"you sent Bearer {KEY}"
    if request.param == "grpc":
        made = GrpcReceiver()
        made.replies = [GrpcReply("UNAUTHENTICATED", words), GrpcReply(body=partial(1, words))]
        made.always = GrpcReply("INTERNAL", words)
    else:
        made = http_receiver()
        made.replies = [Reply(401, {}, words.encode()), Reply(200, PROTOBUF, partial(1, words))]
        made.always = Reply(500, {"Location": f"http://user:{KEY}@h/?k={KEY}"}, words.encode())
    yield from closing(made)


def test_no_header_is_shown_or_kept(
    processes: Processes,
    receiver: Any,  # noqa: ANN401 - either of two
    secrets: Secrets,
    tmp_path: Path,
) -> None:
    """Whether a receiver takes a key or refuses it, it is in no file, log at DEBUG or output."""
    secrets.tokens.append(KEY)
    variables = {
        "OTEL_JOB_MEASURE_SINK": "otlp",
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": receiver.url,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc" if isinstance(receiver, GrpcReceiver) else "http/protobuf",
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{KEY}",
        "OTEL_JOB_MEASURE_SHUTDOWN_TIMEOUT": "0.5",
    }
    app = processes.driver(**variables)
    app.run("shy")
    app.tell("flush", "0.5")
    app.tell("flush", "0.5")
    assert app.end() == 0
    assert "you sent Bearer ***" in app.stderr
    executed = processes.start(*LOUD, "exec", "shy", "--", "sh", "-c", "exit 3", **variables)
    shipped = processes.start(*LOUD, "ship", "--once", **variables)
    listed = processes.start(*LOUD, "rejected", **variables)
    assert (executed.end(), "DEBUG:" in executed.stderr) == (3, True)
    said = shipped.finish() + listed.finish()
    wrong = processes.driver(**variables | {"OTEL_EXPORTER_OTLP_HEADERS": f"a b={KEY}"})
    assert (wrong.end(), "OTEL_EXPORTER_OTLP_HEADERS" in wrong.stderr) == (1, True)
    assert KEY not in said
    assert len(receiver.requests) > 2
    assert holders(tmp_path, secrets) == []
