"""A real Kafka of one node."""

import shutil
import socket
import struct
import subprocess
from pathlib import Path
from typing import Final

from tests.support.watched import WatchedProcess, free_port

LARGEST_MESSAGE: Final = 5_000_000
_PROPERTIES: Final = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={data}
num.partitions={partitions}
message.max.bytes={largest}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size={cleaner}
"""
# Kafka takes it in one piece when it starts. The default is 128 MiB: a heap of 256 MiB has room only sometimes.
_CLEANER: Final = 8 * 1024 * 1024
_TOPIC: Final = b"\0\x08job-runs"
# What a client asks before it sends: where the partitions of the topic are, which is made if it is not there.
_HEADER: Final = struct.pack(">hhih", 3, 4, 1, 5) + b"tests"
_ASK: Final = _HEADER + struct.pack(">i", 1) + _TOPIC + b"\1"


class Kafka(WatchedProcess):
    """A broker that is its own controller. It has the topic of docs/fleet.md; others are made when they are used.

    Args:
        jars: The folder of its jar files.
        folder: A new folder for its data and its log.
        partitions: How many each topic has.
        data: Where its data are; None for its folder.
    """

    def __init__(self, jars: Path, folder: Path, partitions: int = 4, data: Path | None = None) -> None:
        folder.mkdir()
        self._port = free_port()
        self.address = f"127.0.0.1:{self._port}"
        properties = folder / "server.properties"
        properties.write_text(
            _PROPERTIES.format(
                port=self._port,
                controller=free_port(),
                data=data or folder / "data",
                partitions=partitions,
                largest=LARGEST_MESSAGE,
                cleaner=_CLEANER,
            )
        )
        log = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        java = [shutil.which("java") or "java", "-Xmx256m", log, "-cp", f"{jars}/*"]
        format_it = [*java, "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", str(properties)]
        subprocess.run(format_it, check=True, capture_output=True)
        super().__init__([*java, "kafka.Kafka", str(properties)], folder, self._has_topic)

    def _has_topic(self) -> bool:
        """Asks for the topic: an intake gives up a message after five seconds, and its making can take that long."""
        with socket.create_connection(("127.0.0.1", self._port), timeout=5) as connection:
            connection.sendall(struct.pack(">i", len(_ASK)) + _ASK)
            with connection.makefile("rb") as answers:
                answer = answers.read(int.from_bytes(answers.read(4), "big"))
        before, found, _ = answer.partition(_TOPIC)
        return bool(found) and before.endswith(b"\0\0")  # no error
