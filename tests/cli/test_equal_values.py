"""Terminal, JSON, CSV, report and page: one truth from the same runs."""

import csv
import io
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from otel_job_measure.cli import main
from otel_job_measure.clock import SystemClock
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.insight import overview
from otel_job_measure.insight.look import look
from otel_job_measure.insight.words import number, percent, took
from otel_job_measure.journal.interfaces import Chunk
from otel_job_measure.web.jobs_page import Query, context
from tests.history.support import history_in
from tests.insight.contract import some_runs, whole
from tests.web.conftest import store_in

SECOND: Final = 10**9
SINCE: Final = "2020-01-01T00:00:00Z"
COUNTS: Final = ("runs", "ended", "failed", "running")
MEASURED: Final = ("success", "p50_s", "p95_s", "longest_s")
Names = tuple[str, str, str]


def fill(folder: Path, data: bytes) -> None:
    """Puts lines into the history of a state directory."""
    folder.mkdir(mode=0o700, exist_ok=True)
    history_in(folder, None, retention_s=1e10).fold([Chunk(segment="local-1.lp", offset=0, data=data, host="web-1")])


def names_of(job: Mapping[str, Any]) -> Names:
    """Returns what tells a job from others."""
    return job["job"], job["project"] or "", job["stage"] or ""


def in_json(capsys: pytest.CaptureFixture[str], command: str) -> dict[Names, tuple[Any, ...]]:
    """Returns the numbers of each job in the JSON of a command."""
    assert main([command, "--json", "--since", SINCE]) == 0
    jobs = json.loads(capsys.readouterr().out)["jobs"]
    return {names_of(job): tuple(job[name] for name in (*COUNTS, *MEASURED)) for job in jobs}


def in_csv(capsys: pytest.CaptureFixture[str]) -> dict[Names, tuple[Any, ...]]:
    """Returns the numbers of each job in the table of the report."""
    assert main(["report", "--csv", "--since", SINCE]) == 0
    return {
        names_of(row): (
            *(int(row[name]) for name in COUNTS),
            *(float(row[name]) if row[name] else None for name in MEASURED),
        )
        for row in csv.DictReader(io.StringIO(capsys.readouterr().out))
    }


def on_the_page(folder: Path) -> dict[Names, tuple[str, ...]]:
    """Returns what the page shows of each job: runs, share of successes, p50 and p95."""
    store = store_in(folder)
    now_ns = time.time_ns()
    since_ns = int(datetime.fromisoformat(SINCE).astimezone(UTC).timestamp()) * SECOND
    found = look(store, complete_until_ns=SystemClock().wall_ns())
    jobs = overview.jobs(store, found, since_ns=since_ns).jobs
    shown: dict[Names, tuple[str, ...]] = {}
    for view in jobs:
        (row,) = context([view], Query.of({}), now_ns)["rows"]
        shown[(view.job.job, view.job.project, view.job.stage)] = (row["runs"], row["rate"], row["p50"], row["p95"])
    return shown


def test_all_give_the_same_numbers_of_20_000_runs(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`jobs --json`, `report --json` and `report --csv` have equal values, and the page shows them."""
    fill(state_dir, some_runs(20_000, 11))
    of_jobs = in_json(capsys, "jobs")
    assert sum(values[0] for values in of_jobs.values()) == 20_000
    assert in_json(capsys, "report") == of_jobs
    assert in_csv(capsys) == of_jobs
    assert on_the_page(state_dir) == {
        name: (number(runs), percent(success), took(p50_s), took(p95_s))
        for name, (runs, _, _, _, success, p50_s, p95_s, _) in of_jobs.items()
    }


def test_the_95th_percentile_of_1_to_11_is_11_in_all(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And the median is 6."""
    now_ns = time.time_ns()
    job = JobId("eleven", "", "")
    fill(state_dir, b"".join(whole(f"r{n}", now_ns - n * 3600 * SECOND, job, took_s=float(n)) for n in range(1, 12)))
    for found in (in_json(capsys, "jobs"), in_json(capsys, "report"), in_csv(capsys)):
        assert [values[5:7] for values in found.values()] == [(6.0, 11.0)]
    assert [values[2:] for values in on_the_page(state_dir).values()] == [("6.00 s", "11.00 s")]
    for words in (["jobs"], ["report"], ["report", "--markdown"], ["report", "--html", "-"]):
        assert main([*words, "--since", SINCE]) == 0
        assert "11.00 s" in capsys.readouterr().out
