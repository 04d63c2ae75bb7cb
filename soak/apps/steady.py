"""A process that runs jobs when it is told: a line on stdin, an answer on stdout.

`runs N [NAME]`, `flush S`, `health`, `close`; `begin` and `end` for one run that stays open in between.
"""

import json
import logging
import sys
from contextlib import ExitStack

from otel_job_measure import JobMeasure
from soak.reporting import Reported, tell, watchdog


class Steady:
    """What it can be told.

    Args:
        measure: Measures its jobs.
    """

    def __init__(self, measure: JobMeasure) -> None:
        self._measure = measure
        self._open = ExitStack()

    def runs(self, count: str, name: str = "steady") -> str:
        for _ in range(int(count)):
            with Reported(self._measure.run(name)):
                pass
        return "done"

    def begin(self) -> str:
        self._open.enter_context(Reported(self._measure.run("open")))
        return "begun one"

    def end(self) -> str:
        self._open.close()
        return "ended one"

    def flush(self, timeout_s: str) -> str:
        return str(self._measure.flush(float(timeout_s)))

    def health(self) -> str:
        return json.dumps(self._measure.health()._asdict(), default=str)

    def close(self) -> str:
        return str(self._measure.close())


def main() -> None:
    """Does what it is told until stdin ends."""
    logging.basicConfig(level=logging.DEBUG)
    steady = Steady(JobMeasure())
    for line in sys.stdin:
        what, *words = line.split()
        tell(f"> {getattr(steady, what)(*words)}")


if __name__ == "__main__":
    watchdog()
    main()
