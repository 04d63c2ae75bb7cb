"""A real Kafka of one node."""

import shutil
import socket
import subprocess
from contextlib import suppress
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
"""


class Kafka(WatchedProcess):
    """A broker that is its own controller; topics come into being when they are used.

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
            )
        )
        java = [shutil.which("java") or "java", "-Xmx256m", "-cp", f"{jars}/*"]
        format_it = [*java, "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", str(properties)]
        subprocess.run(format_it, check=True, capture_output=True)
        super().__init__([*java, "kafka.Kafka", str(properties)], folder, self._is_listening)

    def _is_listening(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=5):
            return True
        return False
