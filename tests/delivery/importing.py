"""What the shipper's thread imports while it delivers, in a process in which nothing is loaded yet.

It delivers to some addresses by its real thread, prints for each whether that was reached, and then what the thread has
imported.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.uncovered import uncovered

ROOT = Path(__file__).parents[2]
INFLUXDB = {"influxdb_token": "t", "influxdb_org": "o", "influxdb_bucket": "b"}


def delivered(urls: Sequence[str], variable: str, *, imports: str = "", **options: object) -> list[str]:
    """Returns the lines that such a process prints.

    Args:
        urls: Where it delivers to, one after the other.
        variable: The setting that takes such an address.
        imports: A module that the thread is made to import.
        **options: Other settings.
    """
    command = [sys.executable, "-m", "tests.delivery.importing", json.dumps([urls, variable, imports, options])]
    done = subprocess.run(command, cwd=ROOT, env=uncovered(), capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def main(urls: Sequence[str], variable: str, imports: str, options: dict[str, Any]) -> None:
    """Delivers."""
    imported: list[str] = []

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "import" and threading.current_thread().name == "otel-job-measure":
            imported.append(args[0])

    sys.addaudithook(hook)
    for url in urls:
        _deliver({variable: url, "timeout_s": 20, **options}, imports)
    print(json.dumps(imported))


def _deliver(given: dict[str, Any], imports: str) -> None:
    # Only now: the hook sees whatever is imported from here on.
    from otel_job_measure.delivery.consumer import Consumer  # noqa: PLC0415 - see the module
    from otel_job_measure.delivery.shipper import Shipper  # noqa: PLC0415 - see the module
    from otel_job_measure.journal.counters import Counters  # noqa: PLC0415 - see the module
    from otel_job_measure.runtime.assembly import server_sink  # noqa: PLC0415 - see the module
    from otel_job_measure.settings import Settings  # noqa: PLC0415 - see the module
    from tests.delivery.support import FakeSource, line  # noqa: PLC0415 - see the module

    source, counters = FakeSource(), Counters()
    sink = server_sink(Settings(state_dir="memory", **given), counters)
    shipper = Shipper(source, [Consumer(sink)], counters)
    source.wake = shipper.wake
    has_recovered = threading.Event()

    def recover() -> None:
        if imports:
            __import__(imports)
        has_recovered.set()

    source.recover = recover  # type: ignore[method-assign]
    # A line that cannot be read is told without an import, and so is a bug.
    shipper.wait_for(source.append(line(1), b"bad"), 60, unless_down=True)
    has_recovered.wait()  # the point is there before that, and a process that ends makes no recovery pass
    assert sink.reachable is not None
    print(sink.reachable)
    source.trouble = ZeroDivisionError("oops")
    source.wake()
    shipper.close(60)


if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
