"""uWSGI, whose C code forks workers: each is a process of its own, whatever the master measured before."""

import signal
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from soak.fault import fault
from soak.found import in_influx
from tests.support.processes import ROOT
from tests.support.uwsgi import COMMAND, FIRST, MASTER

if TYPE_CHECKING:
    from soak.app import App
    from soak.ground import Ground
    from soak.tally import Row

_WAYS: Final[Sequence[tuple[str, ...]]] = (
    MASTER,
    (*MASTER, "--threads", "4"),
    (*MASTER, "--lazy-apps"),
    (*MASTER, "--max-requests", "7"),
    (*MASTER, "--skip-atexit"),
    (*MASTER, "--py-call-uwsgi-fork-hooks"),
)
_REQUESTS: Final = 60
_OF_THEM_KILLED: Final = 3


@fault(
    "uWSGI with workers forked by C after runs in the master; some are killed in a run, all are replaced",
    brief=1,
    long=len(_WAYS),
    influx=True,
)
def uwsgi(ground: "Ground") -> "Row":
    """Every request is answered, and no run is lost, merged or doubled."""
    bucket = ground.server.new_bucket()
    variables = ground.server.variables(bucket)
    app_file = str(ROOT / "soak" / "apps" / "wsgi.py")
    for index in range(ground.times):
        app = ground.start(COMMAND, *FIRST, "--wsgi-file", app_file, *_WAYS[index % len(_WAYS)], **variables)
        _ask(ground, app)
        app.send(signal.SIGHUP)
        ground.until(partial(_is_reloaded, app), "a reload")
        _ask(ground, app)
        app.send(signal.SIGTERM)
        app.end()
    ground.ship(**variables)
    return ground.row(in_influx(ground.server, bucket))


def _ask(ground: "Ground", app: "App") -> None:
    """Makes requests, several at a time; a worker is killed in some of them."""
    ground.until(lambda: " bound to TCP address " in app.stderr, "a socket")
    paths = [*["/"] * _REQUESTS, *["/kill"] * _OF_THEM_KILLED]
    ground.rng.shuffle(paths)
    address = app.stderr.rpartition(" bound to TCP address ")[2].split()[0]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(partial(_is_answered, address, ground.patience_s), paths))
    # A request that waits in the same worker as one that is killed goes with it.
    ground.expect(sum(answers) >= _REQUESTS // 2, f"only {sum(answers)} of {_REQUESTS} requests were answered")


def _is_answered(address: str, patience_s: float, path: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://{address}{path}", timeout=patience_s) as answer:
        return int(answer.status) == 200
    return False


def _is_reloaded(app: "App") -> bool:
    reloaded = app.stderr.rpartition("gracefully (RE)spawned")
    return bool(reloaded[1]) and reloaded[2].count("spawned uWSGI worker") == 4
