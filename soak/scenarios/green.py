"""A process whose threads, locks and sockets gevent has replaced."""

import importlib.util
from typing import TYPE_CHECKING, Final

from soak import found
from soak.fault import NotHereError, fault

if TYPE_CHECKING:
    from soak.ground import Ground
    from soak.tally import Row

_WAYS: Final = ("early", "late")


@fault("gevent has patched the process: jobs in greenlets, delivery, a fork", brief=2, long=20, influx=True)
def green(ground: "Ground") -> "Row":
    """Nothing waits for ever, nothing is lost, and a flush delays no other greenlet."""
    if importlib.util.find_spec("gevent") is None:
        raise NotHereError("there is no gevent")
    bucket = ground.server.new_bucket()
    variables = ground.server.variables(bucket)
    for index in range(ground.times):
        way = _WAYS[index % len(_WAYS)]
        app = ground.app("soak.apps.greenlets", way, **variables)
        code = app.end()
        ground.expect(code == 0, f"patched {way} it ended with {code}: {app.stderr}")
        ground.expect("Traceback" not in app.stderr and "ERROR" not in app.stderr, f"{way} it said: {app.stderr}")
    points = found.in_influx(ground.server, bucket)
    ground.ship(**variables)
    ground.expect(len(points) == 3 * len(ground.books.begun), "not all was delivered by the processes themselves")
    return ground.row(found.in_influx(ground.server, bucket))
