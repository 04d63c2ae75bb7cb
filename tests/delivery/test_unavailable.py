from otel_job_measure.delivery.consumer import Consumer, Listed
from otel_job_measure.delivery.unavailable import Unavailable
from tests.delivery.support import HandClock, line, segment


def test_points_wait_for_what_cannot_be_loaded() -> None:
    """Where the library cannot be loaded nothing counts as sent, and the consumer knows why."""
    sink = Unavailable("influxdb", "it cannot be loaded")
    consumer = Consumer(sink, clock=HandClock())
    waiting = segment("a", line(1))
    one = [Listed(waiting, waiting.size())]
    assert consumer.serve(one) is None
    assert consumer.pending(one) == waiting.size()
    assert (consumer.held, consumer.words) == (True, "it cannot be loaded")
    sink.forget(["a"])
    sink.close()
    assert (sink.reachable, sink.last_success_ns) == (None, None)
