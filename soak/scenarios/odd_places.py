"""Runs that begin and end in unusual places."""

from typing import TYPE_CHECKING, Final

from soak.fault import fault
from soak.found import in_influx

if TYPE_CHECKING:
    from soak.ground import Ground
    from soak.tally import Row

WAYS: Final = (
    "signal_handlers",
    "garbage_collector",
    "at_exit",
    "globals_at_exit",
    "daemon_threads",
    "abandoned_generators",
    "cancelled_tasks",
    "after_the_provider",
    "after_close",
)


@fault(
    "runs in signal handlers, the collector, atexit, daemon threads, abandoned generators, cancelled tasks",
    brief=len(WAYS),
    long=4 * len(WAYS),
    influx=True,
)
def odd_places(ground: "Ground") -> "Row":
    """The process ends as it would without us, and what it could not send the next one sends."""
    bucket = ground.server.new_bucket()
    variables = ground.server.variables(bucket)
    for index in range(ground.times):
        way = WAYS[index % len(WAYS)]
        app = ground.app("soak.apps.places", way, **variables)
        code = app.end()
        ground.expect(code == 0, f"{way} ended with {code}: {app.stderr}")
        ground.expect("Traceback" not in app.stderr, f"{way} said: {app.stderr}")
    ground.ship(**variables)
    return ground.row(in_influx(ground.server, bucket))
