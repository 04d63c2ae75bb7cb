"""What it takes of memory and of the disk."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from benchmarks.bench import Bench
from benchmarks.child import timed
from benchmarks.contenders.contender import TAGS, Where
from benchmarks.contenders.ours import Ours
from benchmarks.interleaved import ROOT, environment
from benchmarks.tables import Column, Part, Table, at_most

_RUNS: Final = 20_000
_MIB: Final = 2**20
_APPENDING: Final = 12 * _MIB
_SHIPPING: Final = 36 * _MIB
_A_RUN: Final = 600.0


def measure(bench: Bench) -> Part:
    """Looks at processes that have measured many runs, and at what they have written.

    Args:
        bench: The servers.
    """
    appending, shipping = (_footprint(where) for where in (bench.nowhere(), bench.to(bench.at_once)))
    a_run = _bytes_a_run(bench.new_folder())
    table = Table(
        name="sizes",
        title=f"Memory added to an app that traces, after {_RUNS:,} runs back to back",
        columns=(
            Column(title="", unit="text"),
            Column(title="imported and set up", unit="MiB"),
            Column(title="resident", unit="MiB"),
            Column(title="at most", unit="MiB"),
        ),
        rows=(
            ("only appending (SHIP=off)", appending["begun"], appending["resident"], appending["peak"]),
            ("delivering, with the history", shipping["begun"], shipping["resident"], shipping["peak"]),
        ),
        note=f"The journal takes {a_run:.0f} bytes a run, with four short tags and the ids of its span.",
    )
    return Part(
        tables=(table,),
        verdicts=(
            at_most("memory added where it only appends", appending["peak"], _APPENDING, "MiB"),
            at_most("memory added while shipping", shipping["peak"], _SHIPPING, "MiB"),
            at_most("the journal, bytes a run", a_run, _A_RUN, "bytes"),
        ),
    )


def _footprint(where: Where) -> dict[str, int]:
    settings: dict[str, Any] = {"state_dir": str(where.folder / "state"), **TAGS}
    if where.url is None:
        settings["ship"] = False
    else:
        settings |= {
            "influxdb_url": where.url,
            "influxdb_token": where.token,
            "influxdb_org": where.org,
            "influxdb_bucket": where.bucket,
        }
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.footprint", json.dumps(settings), str(_RUNS)],
        cwd=ROOT,
        env=environment(where.folder),
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, int] = json.loads(done.stdout)
    return found


def _bytes_a_run(folder: Path) -> float:
    ours = Ours.with_span_appending(Where(folder=folder))
    timed(ours.run, most=_RUNS, for_s=600)
    size = sum(file.stat().st_size for file in folder.rglob("*.lp"))
    ours.close()
    return size / _RUNS
