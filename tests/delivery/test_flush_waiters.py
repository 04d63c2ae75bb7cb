import threading

from otel_job_measure.delivery.flush_waiters import Bell


def test_a_ring_before_the_wait_is_not_lost() -> None:
    """A wait after a ring returns at once, and several rings are one."""
    bell = Bell()
    bell.ring()
    bell.ring()
    assert bell.wait(0)
    assert not bell.wait(0)
    assert not bell.wait(-1)


def test_a_ring_ends_a_wait() -> None:
    """A wait ends when another thread rings."""
    bell = Bell()
    found: list[bool] = []
    waiting = threading.Thread(target=lambda: found.append(bell.wait(1e9)))
    waiting.start()
    bell.ring()
    waiting.join(30)
    assert found == [True]
