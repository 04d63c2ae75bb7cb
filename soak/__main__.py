"""The long form of all faults: `make soak`, or `python -m soak --help`.

Each fault runs in a process of its own, so that one that hangs does not delay the others. The exit code is not zero if
a point was lost or doubled, or a promise did not hold.
"""

import argparse
import json
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from soak.fault import Fault, NotHereError, all_faults
from soak.ground import ground_for
from soak.tally import Row, as_markdown, as_text
from tests.support.generations import GENERATIONS, is_there
from tests.support.influx import HOW_TO_GET_ONE
from tests.support.processes import ROOT

ALL_S: Final = 1140.0
"""The longest time for all faults; those that have not begun by then count as failed."""
_ONE_S: Final = 600.0
_PATIENCE_S: Final = 120.0
_AT_ONCE: Final = 2
_BEGIN: Final = "<!-- the table of `make soak` begins -->"
_END: Final = "<!-- the table of `make soak` ends -->"


def one(fault: Fault, seed: int, times: int) -> Row:
    """Tries one fault in this process, on a server of its own where it takes one."""
    if fault.influx and not is_there(os.environ, fault.generation):
        return Row(fault=fault.name, tried=0, skipped=HOW_TO_GET_ONE)
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        folder = Path(name)
        (folder / "influxd").mkdir()
        server = GENERATIONS[fault.generation](os.environ, folder / "influxd") if fault.influx else nullcontext()
        with (
            server as influx,
            ground_for(fault, folder / "ground", seed, times, influx=influx, patience_s=_PATIENCE_S) as ground,
        ):
            try:
                return fault.scenario(ground)
            except NotHereError as reason:
                return Row(fault=fault.name, tried=0, skipped=str(reason))
            except Exception as error:  # noqa: BLE001 - the row says it
                return Row(
                    fault=fault.name, tried=0, broken=(f"{type(error).__name__}: {error}", ground.logs()[-4000:])
                )


def in_a_process(fault: Fault, seed: int, times: int, most_s: float) -> Row:
    """Tries one fault in a process of its own, which is ended with all that it started when it takes too long."""
    command = [
        sys.executable,
        "-m",
        "soak",
        "--one",
        fault.name,
        "--seed",
        str(seed),
        "--times",
        str(times),
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            said, _ = process.communicate(timeout=most_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return Row(fault=fault.name, tried=0, broken=(f"not over within {most_s:.0f} s",))
    if process.returncode:
        return Row(fault=fault.name, tried=0, broken=(f"the harness ended with {process.returncode}",))
    told: dict[str, Any] = json.loads(said.splitlines()[-1])
    told["broken"] = tuple(told["broken"])
    return Row(**told)


def soak(faults: Sequence[Fault], seed: int, times: int | None) -> list[Row]:
    """Tries faults, most of them two at a time, since they wait a lot, and says how each went."""
    over_s = time.monotonic() + ALL_S

    def tried(fault: Fault) -> Row:
        began_s = time.monotonic()
        left_s = over_s - began_s
        if left_s > 1:
            row = in_a_process(fault, seed, times or fault.long, min(left_s, _ONE_S))
        else:
            row = Row(fault=fault.name, tried=0, broken=(f"no time was left for it in {ALL_S:.0f} s",))
        took_s = time.monotonic() - began_s
        print(f"{'ok  ' if row.holds else 'FAIL'} {took_s:6.1f} s  {fault.name}", file=sys.stderr, flush=True)
        return row

    rows = {fault.name: tried(fault) for fault in faults if fault.alone}
    others = [fault for fault in faults if not fault.alone]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        rows |= {row.fault: row for row in pool.map(tried, others)}
    return [rows[fault.name] for fault in faults]


def write_markdown(page: Path, rows: Sequence[Row], seed: int) -> None:
    """Puts the table between its marks in a page of the docs."""
    before, _, rest = page.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    page.write_text(f"{before}{_BEGIN}\n\n{as_markdown(rows)}\n\nSeed {seed}.\n\n{_END}{after}")


def main() -> int:
    """Runs the faults that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--only", default="", help="faults whose names contain this")
    parser.add_argument("--times", type=int, help="how often each, in place of its own number")
    parser.add_argument("--markdown", type=Path, help="a page to write the table into")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    faults = all_faults()
    if asked.one:
        logging.disable()  # what is wrong is in the row
        [fault] = [fault for fault in faults if fault.name == asked.one]
        print(json.dumps(asdict(one(fault, asked.seed, asked.times))))
        return 0
    rows = soak([fault for fault in faults if asked.only in fault.name], asked.seed, asked.times)
    print(as_text(rows))
    print(f"seed {asked.seed}")
    if asked.markdown:
        write_markdown(asked.markdown, rows, asked.seed)
    return 0 if all(row.holds and not row.skipped for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
