import logging
import threading

import pytest

from otel_job_measure.spans.guard import Guards
from otel_job_measure.testing import ManualClock


def fail(guards: Guards, what: str = "writing", error: BaseException | None = None) -> None:
    """Fails at something of ours."""
    with guards(what):
        raise error or OSError("disk full")


def test_an_exception_is_held_back_counted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """With its traceback, so that a person can find the cause."""
    guards = Guards()
    fail(guards)
    assert guards.counts() == {"writing": 1}
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.name.startswith("otel_job_measure")
    assert "writing failed" in record.getMessage()
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], OSError)


def test_a_kind_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """The next line says how many there were; another kind has lines of its own."""
    clock = ManualClock()
    guards = Guards(clock)
    for _ in range(5):
        fail(guards)
    fail(guards, "reading")
    clock.monotonic += 59_999_999_999
    fail(guards)
    assert [record.getMessage().split(" ")[0] for record in caplog.records] == ["writing", "reading"]
    clock.monotonic += 1
    fail(guards)
    assert "6 times" in caplog.records[-1].getMessage()
    assert guards.counts() == {"writing": 7, "reading": 1}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), GeneratorExit()])
def test_what_is_meant_for_the_job_goes_through(error: BaseException) -> None:
    """An interruption that happens to arrive in our code is not ours."""
    guards = Guards()
    with pytest.raises(type(error)):
        fail(guards, error=error)
    assert guards.counts() == {}


def test_a_log_handler_that_raises_is_held_back_too() -> None:
    """Handlers of the app's own are the app's code, and logging is our idea."""

    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise RuntimeError

    logger, handler = logging.getLogger("otel_job_measure"), Broken()
    logger.addHandler(handler)
    try:
        fail(guards := Guards())
    finally:
        logger.removeHandler(handler)
    assert guards.counts() == {"writing": 1}


def test_failures_of_many_threads_are_all_counted(caplog: pytest.LogCaptureFixture) -> None:
    """A guard has no lock, and needs none."""
    guards = Guards()

    def work() -> None:
        for _ in range(200):
            fail(guards)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert guards.counts() == {"writing": 800}
