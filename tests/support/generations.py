"""The generations of InfluxDB that delivery is tested with, each opened by the first test that asks for it."""

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

import pytest

from tests.support.grammar3 import grammar3, program_of
from tests.support.influx import HOW_TO_GET_ONE, Row, fresh_server, own_server
from tests.support.influx1 import fresh_server_1
from tests.support.influx3 import stub_3
from tests.support.influx3_kinds import KINDS
from tests.support.influxd import VERSION, VERSIONS_1, binary_path, is_ci


class AnyInflux(Protocol):
    """A server of any generation, or a stub of one, and what the tests that run on all of them ask of it."""

    @property
    def version(self) -> str:
        """Returns the version, or what kind of stub it is."""
        ...

    @property
    def url(self) -> str:
        """Returns its address."""
        ...

    @property
    def token(self) -> str:
        """Returns the secret that it knows its writer by: a token, `user:password`, or nothing."""
        ...

    def arguments(self, bucket: str | None = None) -> dict[str, Any]:
        """Returns the arguments of `Settings` that send points to `bucket`."""
        ...

    def variables(self, bucket: str | None = None) -> dict[str, str]:
        """Returns the environment variables that do."""
        ...

    def new_bucket(self, retention_s: int = 0) -> str:
        """Makes an empty bucket that keeps points for `retention_s` (0: for ever) and returns its name."""
        ...

    def write(self, text: str | bytes, bucket: str | None = None) -> None:
        """Writes line protocol as it is."""
        ...

    def lines(self, bucket: str | None = None) -> list[Row]:
        """Returns every point of a bucket, in the order of time, without what senders say of the present."""
        ...

    def all_lines(self, bucket: str | None = None) -> list[Row]:
        """Returns every point of a bucket, in the order of time."""
        ...

    def start(self) -> None:
        """Starts the server again if it is stopped."""
        ...

    def stop(self, *, hard: bool = False) -> None:
        """Stops the server, with SIGKILL if `hard`."""
        ...

    def stopped(self, *, hard: bool = False) -> AbstractContextManager[None]:
        """Stops the server for the length of a block."""
        ...

    def frozen(self) -> AbstractContextManager[None]:
        """Lets the server accept connections and answer none for the length of a block."""
        ...


Opener = Callable[[Mapping[str, str], Path], AbstractContextManager[AnyInflux]]


def is_there(environment: Mapping[str, str], name: str) -> bool:
    """Returns whether what a server takes is built: its program, or for a stub the parser."""
    return (binary_path(environment, name) if name in REAL else program_of(environment)).exists()


def _built(environment: Mapping[str, str], version: str) -> Path:
    """Returns the program of a version; without it the test is skipped, and fails under CI."""
    binary = binary_path(environment, version)
    if not binary.exists():
        if is_ci(environment):
            pytest.fail(HOW_TO_GET_ONE, pytrace=False)
        pytest.skip(HOW_TO_GET_ONE)
    return binary


@contextmanager
def _open_2(environment: Mapping[str, str], folder: Path) -> Generator[AnyInflux]:
    """Opens the user's own server, which is left as it was, or a fresh one."""
    if server := own_server(environment):
        yield server
        server.clean()
        return
    with fresh_server(_built(environment, VERSION), folder) as server:
        yield server


def _open_1(version: str, environment: Mapping[str, str], folder: Path) -> AbstractContextManager[AnyInflux]:
    return fresh_server_1(_built(environment, version), folder, version)


def _stub(kind: str, environment: Mapping[str, str], folder: Path) -> AbstractContextManager[AnyInflux]:
    return stub_3(kind, folder, grammar3(environment))


REAL: Final[dict[str, Opener]] = {
    **{version: partial(_open_1, version) for version in VERSIONS_1},
    VERSION: _open_2,
}
"""The real servers."""

GENERATIONS: Final[dict[str, Opener]] = {**REAL, **{kind: partial(_stub, kind) for kind in KINDS}}
"""All of them: the real ones, and stubs of servers that cannot be had."""


class Opened:
    """The servers of one pytest process."""

    def __init__(self, environment: Mapping[str, str], folder: Callable[[str], Path]) -> None:
        self._environment = environment
        self._folder = folder
        self._stack = ExitStack()
        self._servers: dict[str, AnyInflux] = {}

    def get(self, name: str) -> AnyInflux:
        """Returns a server, which runs."""
        if name not in self._servers:
            opener = GENERATIONS[name](self._environment, self._folder(name))
            self._servers[name] = self._stack.enter_context(opener)
        self._servers[name].start()
        return self._servers[name]

    def close(self) -> None:
        """Stops all of them."""
        self._stack.close()
