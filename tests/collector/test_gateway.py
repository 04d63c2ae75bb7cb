"""Which traces the gateway keeps."""

from collections.abc import Callable, Iterable

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

    def post(self, trace: int, number: int, *, job: bool = False, parent: int = 0, error: str | None = None) -> None:
        """Posts a span."""
        made = span(trace=trace, number=number, attributes=JOB if job else {}, parent=parent, error=error)
        post_spans(self.gateway.http, ({}, [made]))

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


def test_every_trace_with_a_job_or_a_failure_is_kept(gateway: Callable[..., Collector], backend: Backend) -> None:
    """At a rate of nothing for the rest; also that of a job that ends long after its children."""
    kept = Kept(gateway, backend)
    kept.post(400, 32, parent=31)  # a child of a job that is still running
    for number, parent in ((1, 0), (2, 1)):
        kept.post(100, number, job=number == 1, parent=parent)  # a job with a child
    for number, parent in ((11, 0), (12, 11)):
        kept.post(200, number, parent=parent, error="no" if number == 12 else None)  # a request that fails inside
    for number, parent in ((21, 0), (22, 21)):
        kept.post(300, number, parent=parent)  # a request
    kept.become({1, 2, 11, 12}, "what has been decided")
    kept.post(400, 31, job=True)
    kept.post(300, 23, job=True, parent=21)  # a job in a trace that was left out
    kept.become({31, 32, 23}, "a job that ended late, and its child")
    assert kept.at_the_end() == [1, 2, 11, 12, 23, 31, 32]


def test_a_trace_whose_root_goes_elsewhere_is_sampled(gateway: Callable[..., Collector], backend: Backend) -> None:
    """After the longest job's time; with a job or a failure in it, it is kept whole."""
    kept = Kept(gateway, backend, GATEWAY_LONGEST_JOB="2s")
    for number in (1, 2):
        kept.post(100, number, parent=99)
    for number in (11, 12):
        kept.post(200, number, parent=99, error="no" if number == 12 else None)
    for number in (21, 22):
        kept.post(300, number, parent=99, job=number == 22)
    kept.become({11, 12, 21, 22}, "what has been decided")
    kept.post(100, 3, parent=99)
    kept.post(400, 31, job=True)
    kept.become({31}, "what came after it")
    assert kept.at_the_end() == [11, 12, 21, 22, 31]
