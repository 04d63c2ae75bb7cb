"""Processes that make others: each has its own runs, and loses none by what becomes of the others."""

from typing import TYPE_CHECKING, Final

from soak.fault import fault
from soak.found import in_influx

if TYPE_CHECKING:
    from soak.ground import Ground
    from soak.tally import Row

_WAYS: Final = ("fork", "spawn", "forkserver", "prefork", "daemonized")


@fault(
    "workers by multiprocessing (fork, spawn, forkserver), os.fork, a daemon without descriptors; half are killed",
    brief=len(_WAYS),
    long=8 * len(_WAYS),
    influx=True,
)
def forked(ground: "Ground") -> "Row":
    """Nothing is lost or doubled, no process waits for ever, and the app's files stay its own."""
    bucket = ground.server.new_bucket()
    variables = ground.server.variables(bucket)
    for index in range(ground.times):
        how = _WAYS[index % len(_WAYS)]
        app = ground.app("soak.apps.workers", how, 2 * ground.rng.randrange(10**6), **variables)
        code = app.end()
        ground.expect(code == 0, f"{how} ended with {code}: {app.stderr}")
    ground.ship(**variables)
    return ground.row(in_influx(ground.server, bucket))
