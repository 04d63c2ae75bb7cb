"""`python -m benchmarks`: measures, prints tables, and keeps what it found as JSON."""

import argparse
import json
import sys
import time
from pathlib import Path

from benchmarks.bench import Bench, prepared
from benchmarks.machine import machine, today, versions
from benchmarks.measures import MEASURES, QUICK
from benchmarks.report import Report, plain, verdicts
from benchmarks.tables import Part


def main() -> int:
    """Measures what it was asked for.

    Returns:
        0, whatever the targets: a number is no error.
    """
    args = _arguments()
    on = machine()
    with prepared(quick=args.quick) as bench:
        if bench.influx is None:
            print("no InfluxDB (`make servers` builds one): what needs it is left out\n")
        report = Report(
            command=args.command,
            date=today(),
            machine=on,
            versions=versions(bench),
            parts={name: _measured(name, bench) for name in args.only},
        )
    print(plain(verdicts(report.parts)), end="\n\n")
    print(report.line)
    if args.json is not None:
        args.json.write_text(json.dumps(report.as_object(), indent=1, ensure_ascii=False) + "\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="rough answers to a few questions, in a minute")
    parser.add_argument("--only", nargs="+", choices=list(MEASURES), metavar="MEASURE", help=", ".join(MEASURES))
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to keep all that was found")
    parser.add_argument("--command", default=" ".join(["python -m benchmarks", *sys.argv[1:]]), help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.only = args.only or (list(QUICK) if args.quick else list(MEASURES))
    return args


def _measured(name: str, bench: Bench) -> Part:
    began_s = time.monotonic()
    part = MEASURES[name](bench)
    for table in part.tables:
        print(plain(table), end="\n\n", flush=True)
    print(f"({name}: {time.monotonic() - began_s:.0f} s)\n", flush=True)
    return part


if __name__ == "__main__":
    sys.exit(main())
