"""Terminal, programs, page and report: on the same 20,000 runs, all say the same."""

import csv
import io
import json
import random
import re
import time
from html import unescape
from pathlib import Path
from typing import Any, Final

import pytest

from otel_job_measure import names
from otel_job_measure.cli import main
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.insight.words import number, percent, took
from tests.web.conftest import store_in
from tests.web.made import HOUR, Made
from tests.web.site import look_at, visited

JOBS: Final = 99
RUNS: Final = 202
KEYS: Final = ("runs", "success", "p50_s", "p95_s")
CELLS: Final = ("c-runs n", "c-rate n", "c-p50 n", "c-p95 n")


def twenty_thousand(folder: Path) -> None:
    """Makes a history of many runs, and of one job that takes 1 to 11 seconds."""
    made = Made(time.time_ns())
    chance = random.Random(3)
    for job in range(JOBS):
        for each in range(RUNS):
            reason = names.REASON_ERROR if chance.random() < job / 300 else None
            made.run(JobId(f"job-{job}", "shop"), (1 + each / 2) * HOUR, chance.expovariate(1 / (job + 0.01)), reason)
    for each in range(1, 12):
        made.run(JobId("eleven"), each * HOUR, float(each))
    made.write(folder)


def of_program(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, tuple[Any, ...]]:
    """Returns the numbers of each job as JSON has them."""
    assert main([*words, "--json"]) in {0, 1, 2}
    return {each["job"]: tuple(each[key] for key in KEYS) for each in json.loads(capsys.readouterr().out)["jobs"]}


def of_csv(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, tuple[Any, ...]]:
    """Returns the numbers of each job as the table of a report has them."""
    assert main(["report", "--csv", *words]) == 0
    rows = csv.DictReader(io.StringIO(capsys.readouterr().out))
    return {row["job"]: (int(row["runs"]), *(float(row[key]) for key in KEYS[1:])) for row in rows}


def of_terminal(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, tuple[str, ...]]:
    """Returns the numbers of each job as people see them in the list of jobs."""
    assert main(["jobs", *words]) == 0
    lines = capsys.readouterr().out.split("\n\n")[0].splitlines()[1:]
    cells = [re.split(r"  +", line) for line in lines]
    return {each[1].partition(" (")[0]: tuple(each[-6:-2]) for each in cells}


def of_text(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, tuple[str, ...]]:
    """Returns the numbers of each job as the text of a report has them: runs, success, p50 and p95."""
    assert main(["report", *words]) == 0
    cells = [re.split(r"  +", line) for line in capsys.readouterr().out.split("last success\n")[1].splitlines()]
    return {each[1].partition(" (")[0]: (each[2], *each[4:7]) for each in cells}


def of_page(html: str) -> dict[str, tuple[str, ...]]:
    """Returns the numbers of each job as a page has them."""
    rows = re.findall(r'<th scope="row".*?<bdi>(.*?)</bdi>(.*?)</tr>', html, re.DOTALL)
    return {
        unescape(name): tuple(re.findall(rf'<td class="{cell}">(.*?)</td>', row)[0] for cell in CELLS)
        for name, row in rows
    }


@pytest.mark.timeout(300)  # 40,000 lines are folded
def test_all_say_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Counts, success and quantiles; p95 of the durations 1 to 11 is 11 everywhere."""
    folder = tmp_path / "state"
    twenty_thousand(folder)
    where = ("--state-dir", str(folder), "--since", "7d")
    jobs = of_program(capsys, "jobs", *where)
    assert len(jobs) == JOBS + 1
    assert sum(values[0] for values in jobs.values()) == JOBS * RUNS + 11
    assert jobs["eleven"] == (11, 1.0, 6.0, 11.0)
    assert of_program(capsys, "report", *where) == jobs
    assert of_csv(capsys, *where) == jobs
    shown = {
        job: (number(runs), percent(success), took(p50_s), took(p95_s))
        for job, (runs, success, p50_s, p95_s) in jobs.items()
    }
    found = look_at(store_in(folder))
    with visited(lambda: found) as client:
        pages = [of_page(client.get(f"/?page={page}").text) for page in (1, 2)]
        one = client.get("/job?job=eleven").text
    assert pages[0] | pages[1] == shown
    for text in ("runs</dt><dd>11<", "success</dt><dd>100 %<", "p50</dt><dd>6.00 s<", "p95</dt><dd>11.00 s<"):
        assert text in one
    assert of_terminal(capsys, *where) == {
        job: (str(runs), f"{int(success * 100)}", took(p50_s), took(p95_s))
        for job, (runs, success, p50_s, p95_s) in jobs.items()
    }
    assert of_text(capsys, *where) == shown
    for form in ((), ("--markdown",), ("--html", "-")):
        assert main(["report", *where, "--job", "eleven", *form]) == 0
        assert re.search(r"100 %.{1,60}6\.00 s.{1,60}11\.00 s", capsys.readouterr().out)
