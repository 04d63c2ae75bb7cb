"""What every measure gets: a folder, the servers, and how long it may take."""

import itertools
import os
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.backlog import Backlog
from benchmarks.contenders.contender import Where
from benchmarks.stub import Stub, stub
from tests.support.influx import InfluxServer, fresh_server, own_server
from tests.support.influxd import binary_path

SLOW_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What every measure gets.

    Args:
        folder: Where it may keep what it likes.
        quick: Whether a rough answer soon is better than a good one later.
        at_once: A stub that answers at once.
        slow: One that answers after 20 ms.
        influx: A real InfluxDB; None where there is none.
        backlog: Runs that have happened long ago.
    """

    folder: Path
    quick: bool
    at_once: Stub
    slow: Stub
    influx: InfluxServer | None
    backlog: Backlog
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def nowhere(self) -> Where:
        """Returns a new place without a server."""
        return Where(folder=self.new_folder())

    def to(self, server: Stub) -> Where:
        """Returns a new place with a stub."""
        return Where(folder=self.new_folder(), url=server.url)

    def to_influx(self, influx: InfluxServer) -> Where:
        """Returns a new place with an empty bucket of the real InfluxDB."""
        return Where(
            folder=self.new_folder(), url=influx.url, token=influx.token, org=influx.org, bucket=influx.new_bucket()
        )

    def new_folder(self) -> Path:
        """Makes an empty folder."""
        folder = self.folder / f"{next(self._numbers):04}"
        folder.mkdir()
        return folder


@contextmanager
def prepared(*, quick: bool) -> Generator[Bench]:
    """Starts the servers, and stops them at the end.

    Args:
        quick: Whether a rough answer soon is better than a good one later.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="benchmarks-")))
        influx = own_server(os.environ)
        binary = binary_path(os.environ)
        if influx is None and binary.is_file():
            (folder / "influxd").mkdir()
            influx = stack.enter_context(fresh_server(binary, folder / "influxd"))
        if influx is not None:
            stack.callback(influx.clean)
        yield Bench(
            folder=folder,
            quick=quick,
            at_once=stack.enter_context(stub()),
            slow=stack.enter_context(stub(delay_s=SLOW_S)),
            influx=influx,
            backlog=Backlog(folder / "backlog"),
        )
