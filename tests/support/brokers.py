"""Real brokers for tests of schedulers: a Redis and a RabbitMQ of their own, on free ports."""

import os
import socket
from pathlib import Path
from typing import Final

from tests.support.watched import WatchedProcess, free_port

_RABBITMQ: Final = "/usr/lib/rabbitmq/bin/rabbitmq-server"
_REDIS: Final = "/usr/bin/redis-server"


class Redis(WatchedProcess):
    """A Redis that keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        super().__init__([_REDIS, *arguments], folder, lambda: _answers(self.port, b"PING\r\n", b"+PONG"))

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


class RabbitMQ(WatchedProcess):
    """A RabbitMQ of one node, with its data below the folder; its user is guest."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        # Erlang's own name server would outlive the node.
        port = free_port()
        self._name_server = WatchedProcess(
            ["epmd", "-port", str(port), "-address", "127.0.0.1"], folder, lambda: _listens(port)
        )
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),  # of the cookie
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"tests{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(folder / "none"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
        }
        super().__init__([_RABBITMQ], folder, lambda: _answers(self.port, b"AMQP\x00\x00\x09\x01", b""), environment)

    def start(self) -> None:
        self._name_server.start()
        super().start()

    def stop(self, *, hard: bool = False) -> None:
        was_running = self._server is not None  # a start stops what is left of an earlier one first
        super().stop(hard=hard)
        if was_running:
            self._name_server.stop(hard=True)

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"


def _listens(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        return True


def _answers(port: int, question: bytes, begin: bytes) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(question)
        answer = connection.recv(64)
        return bool(answer) and answer.startswith(begin)
