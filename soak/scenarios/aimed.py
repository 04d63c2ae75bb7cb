"""Forks that come exactly while another thread is in the middle of something."""

from typing import TYPE_CHECKING, Final

from soak import found
from soak.fault import fault

if TYPE_CHECKING:
    from soak.ground import Ground
    from soak.tally import Row

_AIMS: Final = (
    ("import", "otel_job_measure.runtime.measure"),
    ("delivery", "recv_into"),
    ("fold", "executemany"),
    ("import", "opentelemetry.trace"),
    ("delivery", "sendall"),
    ("import", "sqlite3"),
)
_ENDS: Final = ("exit", "os._exit")


@fault(
    "os.fork while another thread delivers, ingests, or first imports the package",
    brief=3,
    long=30,
    influx=True,
)
def aimed(ground: "Ground") -> "Row":
    """The child measures and ends, with nothing of its parent's; neither waits for ever, and nothing is lost."""
    bucket = ground.server.new_bucket()
    variables = ground.server.variables(bucket)
    for index in range(ground.times):
        what, name = _AIMS[index % len(_AIMS)]
        app = ground.app("soak.apps.aimed", what, name, ground.rng.choice(_ENDS), **variables)
        code = app.end()
        ground.expect(code == 0, f"{what} {name}: it ended with {code}: {app.stderr}")
        # Hooks of others that an import brings while a fork waits for it are called after that fork, but not before
        # it: Python says so of the lock of concurrent.futures, and goes on.
        said = app.stderr if what != "import" else ""
        ground.expect("Traceback" not in said, f"{what} {name}: it said {said}")
    ground.ship(**variables)
    points = found.in_influx(ground.server, bucket)
    run_rows = {point.uuid: point.status for point in points if point.kind == "run"}
    ground.expect(found.in_history(ground.state_dir) == run_rows, "the history has other runs than InfluxDB")
    return ground.row(points)
