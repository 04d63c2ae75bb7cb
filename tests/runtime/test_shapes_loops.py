"""Jobs of any event loop wait for the confirmation of their start."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
import trio

from tests.delivery.support import TinyServer
from tests.runtime.support import sending


def by_hand(function: Callable[[], Any]) -> None:
    """Drives a coroutine without any event loop."""
    try:
        function().send(None)
    except StopIteration:
        return
    raise AssertionError("it waits for an event loop")


LOOPS: list[Callable[[Any], object]] = [
    lambda main: asyncio.run(main()),
    trio.run,
    lambda main: anyio.run(main, backend="trio"),
    lambda main: anyio.run(main, backend="asyncio"),
    by_hand,
]


@pytest.mark.parametrize("run", LOOPS, ids=["asyncio", "trio", "anyio-trio", "anyio-asyncio", "none"])
def test_a_start_is_confirmed_in_any_event_loop(
    tmp_path: Path, server: TinyServer, caplog: pytest.LogCaptureFixture, run: Callable[[Any], object]
) -> None:
    """The server has it before the job's first line, and nothing is logged."""
    measure = sending(server, state_dir=tmp_path, confirm_start="server", confirm_timeout_s=60, history=False)
    seen: list[int] = []

    @measure.job
    async def nightly() -> None:
        seen.append(len(server.requests))

    with caplog.at_level(logging.WARNING):
        run(nightly)
    assert seen[0] >= 1
    assert not caplog.records
    assert not measure.recorder.guards.counts()
    measure.close()


def test_a_trio_job_can_be_cancelled_while_it_waits(tmp_path: Path) -> None:
    """Its wait is left at once, and the run ends as cancelled."""
    silent = TinyServer()
    silent.close()
    measure = sending(silent, state_dir=tmp_path, confirm_start="server", confirm_timeout_s=60, history=False)

    @measure.job
    async def nightly() -> None:
        await trio.sleep_forever()

    async def main() -> None:
        with trio.move_on_after(0.05) as scope:
            await nightly()
        assert scope.cancelled_caught

    trio.run(main)
    measure.close(0)
