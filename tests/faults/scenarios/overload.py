"""Many threads of many processes run one job as fast as they can, into one state directory."""

from typing import TYPE_CHECKING, Final

from tests.faults.fault import fault
from tests.faults.found import in_influx

if TYPE_CHECKING:
    from tests.faults.ground import Ground
    from tests.faults.tally import Row

_PROCESSES: Final = 20
_THREADS: Final = 10


@fault("200 threads in 20 processes run one job as fast as they can", brief=5, long=100, influx=True)
def overload(ground: "Ground") -> "Row":
    """No two runs become one in InfluxDB, and none is lost."""
    bucket = ground.server.new_bucket()
    variables = ground.server.variables(bucket)
    apps = [ground.app("tests.faults.apps.crowd", _THREADS, ground.times, **variables) for _ in range(_PROCESSES)]
    for app in apps:
        assert app.line() == "done", app.stderr
    for app in apps:
        assert app.end() == 0, app.stderr
        ground.expect("ERROR" not in app.stderr and "Traceback" not in app.stderr, f"it said: {app.stderr}")
    ground.ship(**variables)
    return ground.row(in_influx(ground.server, bucket), tried=_PROCESSES * _THREADS)
