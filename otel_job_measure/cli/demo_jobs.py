"""The jobs of the demo: real work on real files."""

import asyncio
import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

from otel_job_measure import names
from otel_job_measure.entrypoints.compose import compose
from otel_job_measure.runtime.measure import JobMeasure

_KILLED = "from otel_job_measure.cli.demo_jobs import rebuild_index_until_killed as job; job()"


class Jobs:
    """The demo's jobs.

    Args:
        measure: What they are measured with.
        folder: An empty folder for their files.
        say: Is told what each job did.
    """

    def __init__(self, measure: JobMeasure, folder: Path, say: Callable[[str, str], None]) -> None:
        self._measure = measure
        self._folder = folder
        # Absolute, whatever the variable says: the children work in another folder.
        self._environment = {**os.environ, f"{names.ENV_PREFIX}STATE_DIR": str(measure.settings.state_dir)}
        self._say = say
        _make_files(folder)

    def run_all(self) -> None:
        """Runs them one after the other, but for the two that overlap."""
        self._hash_files()
        self._parse_orders("parse-orders", self._folder / "orders.csv")
        self._parse_orders("parse-returns", self._folder / "returns.csv")
        asyncio.run(self._fetch_rates())
        self._overlap()
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

        self._say("hash-files", hash_files())

    def _parse_orders(self, name: str, path: Path) -> None:
        @self._measure.job(name)
        def parse() -> float:
            with path.open(newline="") as file:
                return sum(float(row["amount"]) for row in csv.DictReader(file))

        try:
            self._say(name, f"{path.name} adds up to {parse():.2f}")
        except ValueError as error:
            self._say(name, f"{type(error).__name__}: {error}")

    async def _fetch_rates(self) -> None:
        async def fetch(ctx: MutableMapping[str, Any]) -> int:
            texts = await asyncio.gather(
                *(asyncio.to_thread(path.read_text) for path in sorted(self._folder.glob("rate-*.json")))
            )
            ctx["rates"] = [json.loads(text) for text in texts]
            return len(texts)

        found = await compose([self._measure.middleware], fetch)({"name": "fetch-rates"})
        self._say("fetch-rates", f"{found} rates, in a chain of async middlewares")

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
        self._say("sync-inventory", "twice at the same time")

    def _be_killed(self) -> None:
        killed = self._run([sys.executable, "-c", _KILLED])
        name = signal.Signals(-killed.returncode).name if killed.returncode < 0 else f"exit {killed.returncode}"
        self._say("rebuild-index", f"its process ended by {name}, in the middle of the run")

    def _exec(self) -> None:
        command = [sys.executable, "-m", "otel_job_measure", "exec", "back-up-orders", "--"]
        done = self._run([*command, "cp", "orders.csv", "orders.bak"])
        self._say("back-up-orders", f"`cp` by `otel-job-measure exec`, exit code {done.returncode}")

    def _run(self, command: list[str]) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(command, check=False, cwd=self._folder, env=self._environment)  # noqa: S603 - ours


def rebuild_index_until_killed() -> None:
    """Begins a run and kills its own process, as the kernel does when memory runs out."""
    with JobMeasure().run("rebuild-index"):
        os.kill(os.getpid(), signal.SIGKILL)


def _make_files(folder: Path) -> None:
    for number in range(24):
        (folder / f"part-{number:02}.bin").write_bytes(os.urandom(64 * 1024))
    rows = "".join(f"{number},{number * 1.25:.2f}\n" for number in range(500))
    (folder / "orders.csv").write_text("id,amount\n" + rows)
    (folder / "returns.csv").write_text("id,amount\n1,10.50\n2,twelve\n")
    for currency, rate in (("eur", 1.0), ("usd", 1.08), ("gbp", 0.86)):
        (folder / f"rate-{currency}.json").write_text(json.dumps({"currency": currency, "rate": rate}))
