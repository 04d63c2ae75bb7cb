"""`python -m benchmarks.simulation`: judges a simulated year, or some of its jobs, and prints each mistake."""

import argparse
import sys
from fnmatch import fnmatch

from benchmarks.report import plain
from benchmarks.simulation.table import table
from benchmarks.simulation.year import Year, judged


def main() -> int:
    """Judges what it was asked for.

    Returns:
        0; 1 if a finding was wrong or missed.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--jobs", type=int, default=300, metavar="COUNT")
    parser.add_argument(
        "--only", nargs="+", metavar="JOB", help="only these jobs of all: names, or patterns with * and ?"
    )
    args = parser.parse_args()
    year = Year(args.seed, args.days, args.jobs)

    def wants(name: str) -> bool:
        return any(fnmatch(name, pattern) for pattern in args.only)

    score = judged(year, None if args.only is None else lambda job: wants(job.expected.job.job))
    print(plain(table([(year, score)])))
    return 1 if score.false or score.missed else 0


if __name__ == "__main__":
    sys.exit(main())
