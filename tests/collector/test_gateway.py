"""Which traces the gateway keeps."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tests.collector.ways import post_spans, span
from tests.support.backend import Backend
from tests.support.collectors import Collector
from tests.support.processes import until

JOB = {"scheduling.job.name": "nightly"}


class Kept:
    """What a backend has got through a gateway that samples nothing of the rest."""

    def __init__(self, gateway: Callable[..., Collector], backend: Backend, **more: str) -> None:
        self.gateway = gateway(backend.url, GATEWAY_SAMPLE_PERCENT="0", GATEWAY_DECISION_WAIT="1s", **more)
        self._backend = backend
        self._seen: list[int] = []

    def post(self, *spans: Mapping[str, Any]) -> None:
        """Posts spans in one request: the gateway decides about all of a trace, also if this test is slow."""
        post_spans(self.gateway.http, ({}, spans))

    def become(self, numbers: Iterable[int], when: str) -> None:
        """Waits until these spans are there."""
        until(lambda: set(self.now()) >= set(numbers), when)

    def now(self) -> list[int]:
        """Returns the spans that are there."""
        self._seen += [int.from_bytes(each.span_id) for _, each in self._backend.spans()]
        return self._seen

    def at_the_end(self) -> list[int]:
        """Stops the gateway, which says what it has before it goes, and returns the spans."""
        self.gateway.stop()
        return sorted(self.now())


def made(trace: int, number: int, *, job: bool = False, parent: int = 0, error: str | None = None) -> dict[str, Any]:
    """Returns a span."""
    return span(trace=trace, number=number, attributes=JOB if job else {}, parent=parent, error=error)


def test_every_trace_with_a_job_or_a_failure_is_kept(gateway: Callable[..., Collector], backend: Backend) -> None:
    """At a rate of nothing for the rest; also that of a job that ends long after its children."""
    kept = Kept(gateway, backend)
    kept.post(made(400, 32, parent=31))  # a child of a job that is still running
    kept.post(made(100, 1, job=True), made(100, 2, parent=1))  # a job with a child
    kept.post(made(300, 21), made(300, 22, parent=21))  # a request: what comes after it is decided after it
    kept.post(made(200, 11), made(200, 12, parent=11, error="no"))  # a request that fails inside
    kept.become({1, 2, 11, 12}, "what has been decided")
    kept.post(made(400, 31, job=True))
    kept.post(made(300, 23, job=True, parent=21))  # a job in a trace that was left out
    kept.become({31, 32, 23}, "a job that ended late, and its child")
    assert kept.at_the_end() == [1, 2, 11, 12, 23, 31, 32]


def test_a_trace_whose_root_goes_elsewhere_is_sampled(gateway: Callable[..., Collector], backend: Backend) -> None:
    """After the longest job's time; with a job or a failure in it, it is kept whole."""
    kept = Kept(gateway, backend, GATEWAY_LONGEST_JOB="2s")
    kept.post(made(100, 1, parent=99), made(100, 2, parent=99))
    kept.post(made(200, 11, parent=99), made(200, 12, parent=99, error="no"))
    kept.post(made(300, 21, parent=99), made(300, 22, parent=99, job=True))
    kept.become({11, 12, 21, 22}, "what has been decided")
    kept.post(made(100, 3, parent=99))
    kept.post(made(400, 31, job=True))
    kept.become({31}, "what came after it")
    assert kept.at_the_end() == [11, 12, 21, 22, 31]
