"""`python -m benchmarks.fleet`: the calculation for a fleet, and the small cases that check it."""

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.bench import prepared
from benchmarks.docs import filled, texts
from benchmarks.fleet import cases, present, tables
from benchmarks.machine import machine, today, versions
from benchmarks.report import Report, plain
from benchmarks.tables import Part

_PARTS = ("scale", "present")


def main() -> int:
    """Measures the small cases, calculates, and prints both.

    Returns:
        0; 1 where there is no InfluxDB to measure.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("--only", choices=_PARTS, help="what to measure; without it, all")
    parser.add_argument("--docs", type=Path, metavar="DIR", help="whose scale.md gets the numbers")
    args = parser.parse_args()
    os.environ[cases.COLD] = "2s"  # the server that is started here inherits it
    on = machine()
    with prepared(quick=False) as bench, cases.many_files():
        if bench.influx is None or bench.influx.process is None:
            print("this needs the InfluxDB that `make servers` builds", file=sys.stderr)
            return 1
        command = "make bench-scale" if args.only is None else f"python -m benchmarks.fleet --only {args.only}"
        report = Report(command=command, date=today(), machine=on, versions=versions(bench), parts={})
        parts: dict[str, Part] = {}
        if args.only in {None, "scale"}:
            parts["scale"] = Part(tables=tables.measured(bench, bench.influx), made=report.line)
        if args.only in {None, "present"}:
            parts["present"] = Part(tables=present.measured(bench.influx, bench.folder / "influxd"), made=report.line)
    report = replace(report, parts=parts)
    for part in parts.values():
        for table in part.tables:
            print(plain(table), end="\n\n")
    print(report.line)
    if args.docs is not None:
        _publish(report, args.docs)
    return 0


def _publish(report: Report, folder: Path) -> None:
    file = folder / "scale.json"
    if file.exists():
        report = Report.from_object(json.loads(file.read_text())).updated(report)
    file.write_text(json.dumps(report.as_object(), indent=1, ensure_ascii=False) + "\n")
    page = folder / "scale.md"
    page.write_text(filled(page.read_text(), texts(report)))


if __name__ == "__main__":
    sys.exit(main())
