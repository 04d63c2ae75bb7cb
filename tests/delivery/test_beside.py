"""One thread beside the one that sends; none where the system has no room for it."""

import threading

import pytest

from otel_job_measure.delivery.beside import Beside


def test_one_thing_is_done_after_another_on_one_other_thread() -> None:
    """In the order in which they were given, all of them by the end."""
    done: list[tuple[int, int]] = []

    def do(number: int) -> None:
        done.append((number, threading.get_ident()))

    with Beside("aside") as beside:
        for number in range(100):
            beside.submit(do, number)
    assert [number for number, _ in done] == list(range(100))
    assert len({ident for _, ident in done} - {threading.get_ident()}) == 1


def test_what_fails_is_told_to_who_asks() -> None:
    """And to nobody else; what comes after it is done."""
    with Beside("aside") as beside:
        failed, done = beside.submit(int, "no number"), beside.submit(int, "1")
        with pytest.raises(ValueError, match="no number"):
            failed.result()
        assert done.result() == 1


def test_without_room_for_a_thread_all_is_done_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once, with its result or its error, also when there is room again."""
    done: list[int] = []

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with Beside("aside") as beside:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", start)
            assert beside.submit(done.append, 1).result() is None
        assert beside.submit(done.append, 2).done()
        assert done == [1, 2]
        with pytest.raises(ValueError, match="no number"):
            beside.submit(int, "no number").result()
    assert done == [1, 2]
