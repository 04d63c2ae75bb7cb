"""`python -m benchmarks`: measures, prints tables, and keeps what it found as JSON."""

import argparse
import json
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.bench import Bench, prepared
from benchmarks.docs import publish
from benchmarks.machine import machine, today, versions
from benchmarks.measures import LONG, MEASURES, QUICK
from benchmarks.report import Report, plain, verdicts
from benchmarks.tables import Part


def main() -> int:
    """Measures what it was asked for.

    Returns:
        0, whatever became of the targets; 1 where something could not be measured.
    """
    args = _arguments()
    on = machine()
    with prepared(quick=args.quick) as bench:
        if bench.influx is None:
            print("no InfluxDB (`make servers` builds one): what needs it is left out\n")
        report = Report(command=args.command, date=today(), machine=on, versions=versions(bench), parts={})
        for name in args.only:
            if (part := _measured(name, bench)) is not None:
                report.parts[name] = replace(part, made=report.line)
                _keep(report, args.json)
    print(plain(verdicts(report.parts)), end="\n\n")
    print(report.line)
    if args.docs is not None:
        publish(report, args.docs)
    return 0 if len(report.parts) == len(args.only) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="rough answers to a few questions, in a minute")
    parser.add_argument("--only", nargs="+", choices=list(MEASURES), metavar="MEASURE", help=", ".join(MEASURES))
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to keep all that was found")
    parser.add_argument("--docs", type=Path, metavar="DIR", help="whose performance.md gets the numbers")
    parser.add_argument("--long", action="store_true", help="what takes too long to be among the others")
    parser.add_argument("--command", default=" ".join(["python -m benchmarks", *sys.argv[1:]]), help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.only = args.only or _all(quick=args.quick, long=args.long)
    return args


def _all(*, quick: bool, long: bool) -> Sequence[str]:
    """Returns what is measured where nothing is named."""
    if quick or long:
        return QUICK if quick else LONG
    return [name for name in MEASURES if name not in LONG]


def _keep(report: Report, file: Path | None) -> None:
    """Writes what was found so far: what comes later may be interrupted."""
    if file is not None:
        file.write_text(json.dumps(report.as_object(), indent=1, ensure_ascii=False) + "\n")


def _measured(name: str, bench: Bench) -> Part | None:
    began_s = time.monotonic()
    try:
        part = MEASURES[name](bench)
    except Exception:  # noqa: BLE001 - what the others find is wanted all the same
        print(f"({name} could not be measured)\n{traceback.format_exc()}", flush=True)
        return None
    for table in part.tables:
        print(plain(table), end="\n\n", flush=True)
    print(f"({name}: {time.monotonic() - began_s:.0f} s)\n", flush=True)
    return part


if __name__ == "__main__":
    sys.exit(main())
