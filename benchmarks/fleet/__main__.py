"""`python -m benchmarks.fleet`: the calculation for a fleet, and the small cases that check it."""

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.bench import prepared
from benchmarks.docs import filled, texts
from benchmarks.fleet import cases, tables
from benchmarks.machine import machine, today, versions
from benchmarks.report import Report, plain
from benchmarks.tables import Part


def main() -> int:
    """Measures the small cases, calculates, and prints both.

    Returns:
        0; 1 where there is no InfluxDB to measure.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("--docs", type=Path, metavar="DIR", help="whose scale.md gets the numbers")
    args = parser.parse_args()
    os.environ[cases.COLD] = "2s"  # the server that is started here inherits it
    on = machine()
    with prepared(quick=False) as bench, cases.many_files():
        if bench.influx is None or bench.influx.process is None:
            print("this needs the InfluxDB that `make servers` builds", file=sys.stderr)
            return 1
        report = Report(command="make bench-scale", date=today(), machine=on, versions=versions(bench), parts={})
        part = Part(tables=tables.measured(bench, bench.influx), made=report.line)
    report = replace(report, parts={"scale": part})
    for table in part.tables:
        print(plain(table), end="\n\n")
    print(report.line)
    if args.docs is not None:
        _publish(report, args.docs)
    return 0


def _publish(report: Report, folder: Path) -> None:
    (folder / "scale.json").write_text(json.dumps(report.as_object(), indent=1, ensure_ascii=False) + "\n")
    page = folder / "scale.md"
    page.write_text(filled(page.read_text(), texts(report)))


if __name__ == "__main__":
    sys.exit(main())
