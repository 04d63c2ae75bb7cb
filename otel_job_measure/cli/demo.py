"""`otel-job-measure demo`: runs some jobs on real files, and shows what was measured."""

import argparse
import asyncio
import csv
import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, MutableMapping
from importlib import import_module
from pathlib import Path
from typing import Any

from otel_job_measure import names
from otel_job_measure.cli import options
from otel_job_measure.cli.table import print_runs
from otel_job_measure.entrypoints.compose import compose
from otel_job_measure.errors import MissingDependencyError, SettingsError
from otel_job_measure.integrations import apscheduler
from otel_job_measure.printable import printable
from otel_job_measure.runtime.history_reader import opened, up_to_date
from otel_job_measure.runtime.measure import JobMeasure
from otel_job_measure.settings import Settings

_DESCRIPTION = """Runs some jobs on real files in a temporary folder: one fails on a bad file, one is killed during its
run, two overlap, APScheduler runs one, one is a command. Then it shows what was measured. It needs no server. The runs
go to a state directory of the demo, never to yours, and to your server only with --ship."""
_KILLED = "import sys; from otel_job_measure.cli.demo import rebuild_index_until_killed as job; job(*sys.argv[1:])"
_LEGEND = """
failed  with the reason `error`: the job raised an exception
        with the reason `lost`: its process died, and this process found out
uuid    the run's id, also in InfluxDB"""
_NEXT = (
    ("To see all jobs, the worst first", "jobs"),
    ("To list the runs again", "runs"),
    ("To see them in a browser", "web"),
)
_LIMIT = 100
_OURS = ("INFLUXDB_", "OTEL_")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:  # pyright: ignore[reportPrivateUsage] - its only name
    """Adds the command to the command line."""
    parser = commands.add_parser("demo", help="run some jobs and show what was measured", description=_DESCRIPTION)
    options.add_state_dir(parser, "your default state directory with -demo added to its name")
    parser.add_argument("--ship", action="store_true", help="send the runs to the server that the environment names")
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    """Runs the demo; returns 1 if points could not be sent."""
    given = dict(os.environ)  # without the secrets of an env file
    settings = _settings(args)
    opened(settings)  # a directory that cannot be used is an error before any job runs
    measure = JobMeasure(settings)
    began_ns = time.time_ns()
    print("Some jobs on real files:\n")
    with tempfile.TemporaryDirectory(prefix="otel-job-measure-demo-") as folder:
        env_file = (args.env_file and args.env_file.absolute()) if args.ship else Path(os.devnull)
        _Jobs(measure, Path(folder), _environment(given, settings, ships=args.ship), env_file).run_all()
    measure.flush()
    history, _ = up_to_date(settings)
    print("\nWhat was measured:\n")
    print_runs(history.latest(since_ns=began_ns, limit=_LIMIT), time.time_ns())
    print(_LEGEND)
    print(f"\nThe runs are kept in {printable(str(settings.state_path))}.")
    is_on_path = shutil.which("otel-job-measure") is not None  # not in a virtual environment that is not active
    program = "otel-job-measure" if is_on_path else shlex.join([sys.executable, "-m", "otel_job_measure"])
    for purpose, command in _NEXT:
        print(f"{purpose}:\n  {program} {command} --state-dir {printable(shlex.quote(str(settings.state_path)))}")
    return _ship(measure) if args.ship else 0


def _settings(args: argparse.Namespace) -> Settings:
    home = {name: os.environ[name] for name in ("HOME", "XDG_STATE_HOME") if name in os.environ}
    own = Settings.from_env(home).state_path
    state_dir = args.state_dir or own.with_name(f"{own.name}-demo")
    if not args.ship:
        return Settings(state_dir=state_dir)
    options.load_env_file(args.env_file)
    settings = Settings.from_env(state_dir=state_dir, ship=True, history=True)
    if settings.disabled or settings.destination is None:
        raise SettingsError(
            "--ship needs a server: set the INFLUXDB_ variables, or OTEL_JOB_MEASURE_SINK=otlp, and leave "
            f"{names.ENV_PREFIX}DISABLED unset"
        )
    return settings


def _environment(given: Mapping[str, str], settings: Settings, *, ships: bool) -> dict[str, str]:
    """Returns the environment of the jobs' processes; without --ship it names no server."""
    kept = {name: value for name, value in given.items() if ships or not name.startswith(_OURS)}
    return {**kept, f"{names.ENV_PREFIX}STATE_DIR": str(settings.state_path)}


def _ship(measure: JobMeasure) -> int:
    settings = measure.settings
    everything = measure.flush(settings.timeout_s) and measure.close()
    health = measure.health()
    where = "the server" if settings.destination is None else printable(settings.destination.label)
    print(f"\n{where}\nhas accepted {health.delivered} points of this process; `exec` sent its own.")
    if not everything:
        print(
            f"{health.pending} points could not be sent and wait: "
            f"`otel-job-measure ship --once --state-dir {printable(str(settings.state_path))}` sends them",
            file=sys.stderr,
        )
    return 0 if everything else 1


def rebuild_index_until_killed(env_file: str = "") -> None:
    """Begins a run and kills its own process, as the kernel does when memory runs out."""
    options.load_env_file(Path(env_file) if env_file else None)
    with JobMeasure().run("rebuild-index"):
        os.kill(os.getpid(), signal.SIGKILL)


def _say(job: str, message: str) -> None:
    print(f"  {job:<16} {message}", flush=True)


class _Jobs:
    """The demo's jobs; their files are in an empty folder."""

    def __init__(
        self, measure: JobMeasure, folder: Path, environment: Mapping[str, str], env_file: Path | None
    ) -> None:
        self._measure = measure
        self._folder = folder
        self._orders = folder / "orders.csv"
        self._environment = environment
        self._env_file = [] if env_file is None else [str(env_file)]
        _make_files(folder)

    def run_all(self) -> None:
        """Runs them one after the other, except the two that overlap."""
        self._hash_files()
        self._parse_orders("parse-orders", self._orders)
        self._parse_orders("parse-returns", self._folder / "returns.csv")
        asyncio.run(self._fetch_rates())
        self._overlap()
        self._schedule()
        self._be_killed()
        self._exec()

    def _hash_files(self) -> None:
        @self._measure.job("hash-files")
        def hash_files() -> str:
            digest = hashlib.sha256()
            paths = sorted(self._folder.glob("*.bin"))
            for path in paths:
                digest.update(path.read_bytes())
            return f"{len(paths)} files, sha256 {digest.hexdigest()[:12]}…"

        _say("hash-files", hash_files())

    def _parse_orders(self, name: str, path: Path) -> None:
        @self._measure.job(name)
        def parse() -> float:
            with path.open(newline="") as file:
                return sum(float(row["amount"]) for row in csv.DictReader(file))

        try:
            _say(name, f"{path.name} adds up to {parse():.2f}")
        except ValueError as error:
            _say(name, f"{type(error).__name__}: {error}")

    async def _fetch_rates(self) -> None:
        async def fetch(ctx: MutableMapping[str, Any]) -> int:
            texts = await asyncio.gather(
                *(asyncio.to_thread(path.read_text) for path in sorted(self._folder.glob("rate-*.json")))
            )
            ctx["rates"] = [json.loads(text) for text in texts]
            return len(texts)

        found = await compose([self._measure.middleware], fetch)({"name": "fetch-rates"})
        _say("fetch-rates", f"{found} rates, in a chain of async middlewares")

    def _overlap(self) -> None:
        both = threading.Barrier(2)

        def sync_inventory() -> None:
            with self._measure.run("sync-inventory"):
                both.wait()  # neither goes on before the other has begun
                hashlib.pbkdf2_hmac("sha256", b"inventory", b"salt", 20_000)

        threads = [threading.Thread(target=sync_inventory) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        _say("sync-inventory", "twice at the same time")

    def _schedule(self) -> None:
        name = "count-orders"
        try:
            apscheduler.install(measure=self._measure)
        except MissingDependencyError as error:  # it is missing, or too old
            _say(name, str(error).replace(": ", f":\n  {'':<16} "))
            return
        background: Any = import_module("apscheduler.schedulers.background")
        events: Any = import_module("apscheduler.events")
        removed = threading.Event()

        def count_orders() -> None:
            _say(name, f"{len(self._orders.read_text().splitlines()) - 1} orders, run by APScheduler")

        def told(_event: object) -> None:
            removed.set()

        scheduler = background.BackgroundScheduler()
        scheduler.add_listener(told, events.EVENT_JOB_REMOVED)
        scheduler.add_job(count_orders, id=name, misfire_grace_time=None)  # due now, however busy the machine is
        scheduler.start()
        removed.wait()  # its thread has begun the run, and looks at it no more
        scheduler.shutdown()  # waits for the job's end
        apscheduler.uninstall()

    def _be_killed(self) -> None:
        killed = self._run([sys.executable, "-c", _KILLED, *self._env_file])
        name = signal.Signals(-killed.returncode).name if killed.returncode < 0 else f"exit {killed.returncode}"
        _say("rebuild-index", f"its process ended by {name}, in the middle of the run")

    def _exec(self) -> None:
        command = [sys.executable, "-m", "otel_job_measure", "exec", *(f"--env-file={path}" for path in self._env_file)]
        done = self._run([*command, "back-up-orders", "--", "cp", "orders.csv", "orders.bak"])
        _say("back-up-orders", f"`cp` by `otel-job-measure exec`, exit code {done.returncode}")

    def _run(self, command: list[str]) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(command, check=False, cwd=self._folder, env=self._environment)  # noqa: S603 - ours


def _make_files(folder: Path) -> None:
    for number in range(24):
        (folder / f"part-{number:02}.bin").write_bytes(os.urandom(64 * 1024))
    rows = "".join(f"{number},{number * 1.25:.2f}\n" for number in range(500))
    (folder / "orders.csv").write_text("id,amount\n" + rows)
    (folder / "returns.csv").write_text("id,amount\n1,10.50\n2,twelve\n")
    for currency, rate in (("eur", 1.0), ("usd", 1.08), ("gbp", 0.86)):
        (folder / f"rate-{currency}.json").write_text(json.dumps({"currency": currency, "rate": rate}))
