"""Processes that run jobs as fast as they can are ended by a signal at a random moment."""

import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

from soak.fault import fault
from soak.found import in_history, in_influx
from soak.ground import Ground
from soak.tally import Row

if TYPE_CHECKING:
    from soak.books import Found

_ROUND = 50
_MOST_S = 0.08


def rounds(times: int) -> Iterator[int]:
    """Cuts many times into rounds: each has a state directory and a bucket of its own."""
    for begin in range(0, times, _ROUND):
        yield min(_ROUND, times - begin)


def ended_by(ground: Ground, number: signal.Signals, how: str = "") -> Row:
    """Ends processes by a signal, one after the other; what each left is seen to by those after it.

    Args:
        ground: Where.
        number: The signal.
        how: How the process takes it.
    """
    points: list[Found] = []
    for index, times in enumerate(rounds(ground.times)):
        bucket, state_dir = ground.server.new_bucket(), ground.folder / f"state-{index}"
        variables = ground.server.variables(bucket) | {"OTEL_JOB_MEASURE_STATE_DIR": str(state_dir)}
        app = ground.app("soak.apps.lives", **variables)
        for _ in range(times):
            app.say(f"begin {ground.rng.random()} {how}")
            pid = int(app.line().removeprefix("pid "))
            ground.moment(_MOST_S)
            ground.end(pid, number)
            assert app.line().startswith(f"gone {pid} ")
        assert app.end() == 0, app.stderr
        ground.ship(**variables)
        points += (here := in_influx(ground.server, bucket))
        run_rows = {point.uuid: point.status for point in here if point.kind == "run"}
        ground.expect(in_history(state_dir) == run_rows, "the history has other runs than InfluxDB")
    return ground.row(points)


@fault("SIGKILL at a random moment", brief=25, long=1000, influx=True)
def sigkill(ground: Ground) -> Row:
    """The package runs no code at the end: the next process finds a segment, maybe with half a line."""
    return ended_by(ground, signal.SIGKILL)


@fault("SIGTERM, not handled", brief=10, long=100, influx=True)
def sigterm(ground: Ground) -> Row:
    """The default: the process is gone at once, as with SIGKILL."""
    return ended_by(ground, signal.SIGTERM)


@fault("SIGTERM, handled by sys.exit", brief=5, long=30, influx=True)
def sigterm_exit(ground: Ground) -> Row:
    """Python goes down in good order, in the middle of whatever it was doing."""
    return ended_by(ground, signal.SIGTERM, "exit")


@fault("SIGTERM, handled by os._exit", brief=10, long=50, influx=True)
def sigterm_os_exit(ground: Ground) -> Row:
    """An app's own way out, which leaves the package no time."""
    return ended_by(ground, signal.SIGTERM, "_exit")
