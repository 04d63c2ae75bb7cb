"""Which traces the gateway keeps."""

from collections.abc import Callable

from tests.collector.ways import post_span
from tests.support.backend import Backend
from tests.support.collectors import Collector
from tests.support.processes import until

JOB = {"scheduling.job.name": "nightly"}


def test_every_trace_with_a_job_or_a_failure_is_kept(gateway: Callable[..., Collector], backend: Backend) -> None:
    """At a rate of nothing for the rest; also that of a job that ends long after its children."""
    through = gateway(backend.url, GATEWAY_SAMPLE_PERCENT="0", GATEWAY_DECISION_WAIT="1s")
    seen: list[int] = []

    def kept() -> set[int]:
        seen.extend(int.from_bytes(span.span_id) for _, span in backend.spans())
        return set(seen)

    def post(trace: int, number: int, *, job: bool = False, parent: int = 0, error: str | None = None) -> None:
        post_span(through.http, trace=trace, number=number, attributes=JOB if job else {}, parent=parent, error=error)

    for number, parent in ((1, 0), (2, 1)):
        post(100, number, job=number == 1, parent=parent)  # a job with a child
    for number, parent in ((11, 0), (12, 11)):
        post(200, number, parent=parent, error="no" if number == 12 else None)  # a request that fails inside
    for number, parent in ((21, 0), (22, 21)):
        post(300, number, parent=parent)  # a request
    post(400, 32, parent=31)  # a child of a job that is still running
    until(lambda: kept() >= {1, 2, 11, 12, 32}, "what has been decided")
    post(400, 31, job=True)
    post(300, 23, job=True, parent=21)  # a job in a trace that was left out
    until(lambda: kept() >= {31, 23}, "jobs that ended late")
    through.stop()
    assert kept() == {1, 2, 11, 12, 31, 32, 23}
    assert len(seen) == len(kept())
