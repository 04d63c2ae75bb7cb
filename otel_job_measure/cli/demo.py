"""`otel-job-measure demo`: some real jobs, and what was measured of them."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from otel_job_measure.cli import env_file
from otel_job_measure.cli.demo_jobs import Jobs
from otel_job_measure.cli.table import print_runs
from otel_job_measure.errors import JobMeasureError, SettingsError
from otel_job_measure.runtime.history_reader import opened, up_to_date
from otel_job_measure.runtime.measure import JobMeasure
from otel_job_measure.settings import Settings

_DESCRIPTION = """Runs some real jobs on real files in a temporary folder: one fails on a bad file, one is killed in the
middle, two overlap, one is a command. Then it shows what was measured. It needs no server; with the INFLUXDB_ variables
it ships too."""
_ROOM = 100


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:  # pyright: ignore[reportPrivateUsage] - its only name
    """Adds the command to the command line.

    Args:
        commands: What `add_subparsers` gave.
    """
    parser = commands.add_parser("demo", help="run some real jobs and show them", description=_DESCRIPTION)
    env_file.add_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Runs the demo.

    Args:
        args: What `add_parser` has set up: `env_file`.

    Returns:
        0; 1 where the settings or the state directory are wrong, or where points could not be shipped.
    """
    try:
        env_file.load(args.env_file)
        settings = Settings.from_env()
        return _demo(settings)
    except (JobMeasureError, OSError) as error:
        print(f"otel-job-measure: {error}", file=sys.stderr)
        return 1


def _demo(settings: Settings) -> int:
    if settings.disabled or not settings.history:
        raise SettingsError("the demo shows what the history has, and the settings turn that off")
    opened(settings)  # before any work is done for nothing
    measure = JobMeasure(settings)
    began_ns = time.time_ns()
    print("Some jobs on real files:\n")
    with tempfile.TemporaryDirectory(prefix="otel-job-measure-demo-") as folder:
        Jobs(measure, Path(folder), lambda job, words: print(f"  {job:<16} {words}", flush=True)).run_all()
    found = up_to_date(settings)
    print("\nWhat was measured:\n")
    print_runs(found.history.latest(since_ns=began_ns, limit=_ROOM))
    print(f"\n`otel-job-measure runs` shows them again. They are kept in\n{found.history.path}")
    return _shipped(measure) if settings.destination is not None and settings.ship else 0


def _shipped(measure: JobMeasure) -> int:
    everything = measure.flush(measure.settings.timeout_s) and measure.close()
    health = measure.health()
    destination = measure.settings.destination
    where = "InfluxDB" if destination is None else destination.label
    print(f"\n{where}\nhas accepted {health.delivered} points from this process; `exec` has sent its own.")
    if not everything:
        print(f"{health.pending} points wait and will be sent by the next process.", file=sys.stderr)
    return 0 if everything else 1
