"""Very many threads, and threads of many processes, run one job as fast as they can, into one state directory."""

from typing import TYPE_CHECKING, Final

from soak import found
from soak.fault import fault

if TYPE_CHECKING:
    from soak.ground import Ground
    from soak.tally import Row

_PROCESSES: Final = 20
_THREADS: Final = 10
_MANY_THREADS: Final = 200


@fault(
    "200 threads of one process beside 20 processes with ten each, as fast as they can",
    brief=3,
    long=60,
    influx=True,
    alone=True,
)
def overload(ground: "Ground") -> "Row":
    """No two runs become one in InfluxDB, none is lost, and the logs are empty."""
    bucket = ground.server.new_bucket()
    variables = ground.server.variables(bucket)
    words = (_MANY_THREADS, _PROCESSES, _THREADS, ground.times)
    app = ground.app("soak.apps.throng", *words, **variables)
    code = app.end()
    ground.expect(code == 0, f"it ended with {code}")
    ground.expect("ERROR" not in app.stderr and "Traceback" not in app.stderr, f"it said: {app.stderr}")
    ground.ship(**variables)
    runs = (_MANY_THREADS + _PROCESSES * _THREADS) * ground.times
    ground.expect(len(ground.books.begun) == runs, f"{len(ground.books.begun)} runs of {runs} began")
    return ground.row(found.in_influx(ground.server, bucket), tried=_MANY_THREADS + _PROCESSES * _THREADS)
