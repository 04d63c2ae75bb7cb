"""`--json` prints what docs/see.md says, no name more and none less."""

import json
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pytest

from otel_job_measure.cli import main
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.journal.interfaces import Chunk
from tests.history.support import history_in
from tests.insight.contract import FAILED, started, whole

DOCS: Final = Path(__file__).parents[2] / "docs" / "see.md"
JSON: Final = DOCS.read_text().split("## The JSON\n")[1]
SECOND: Final = 10**9
DAY: Final = 86_400 * SECOND


@pytest.fixture(autouse=True)
def _runs(state_dir: Path) -> None:
    """A job that fails more than before, another that runs, and a clock that is ahead."""
    now_ns, bad, good = time.time_ns(), JobId("bad", "billing", "production"), JobId("good")
    data = b"".join(whole(f"b{n}", now_ns - 9 * DAY - n * SECOND, bad) for n in range(30))
    data += b"".join(whole(f"a{n}", now_ns - DAY - n * SECOND, bad, outcome=FAILED) for n in range(30))
    data += started("open", now_ns - 60 * SECOND, good) + whole("ahead", now_ns + DAY, good)
    state_dir.mkdir(mode=0o700, exist_ok=True)
    history_in(state_dir, None, retention_s=1e10).fold([Chunk(segment="local-1.lp", offset=0, data=data, host="web-1")])


def _printed(capfd: pytest.CaptureFixture[str], *words: str) -> Any:  # noqa: ANN401 - any JSON
    assert main([*words, "--json"]) == 0
    return json.loads(capfd.readouterr().out.splitlines()[0])


def _names(text: str) -> list[str]:
    """Returns the names in a text of the docs, without what stands in brackets."""
    return re.findall(r"`([a-z0-9_]+)`", re.sub(r"\([^)]*\)", "", text))


def _rows(begin: str) -> dict[str, str]:
    """Returns the names of a table of the docs, each with its words."""
    lines = JSON.split(begin)[1].split("\n\n")[1].splitlines()
    cells = [line.strip("|").split(" | ") for line in lines[2:]]
    return {name: cell[1] for cell in cells for name in _names(cell[0])}


def _sentence(begin: str) -> list[str]:
    return _names(re.split(r"\.\s", JSON.split(begin)[1])[0])


def _same(found: dict[str, Any], told: Iterable[str]) -> None:
    """Each time stands there twice, once in ns."""
    twice = {name for name in found if name.endswith("_ns") and name.removesuffix("_ns") in found}
    assert set(found) - twice == set(told) - twice
    for name in twice:
        assert (found[name] is None) == (found[name.removesuffix("_ns")] is None)


def test_jobs(capfd: pytest.CaptureFixture[str]) -> None:
    """The object, its jobs, their findings and strips, and the findings about hosts."""
    found = _printed(capfd, "jobs")
    _same(found, _rows("`jobs --json` prints one object:"))
    told = _rows("A job has:")
    finding = _names(told["findings"].replace("(", "").replace(")", ""))
    job = next(each for each in found["jobs"] if each["findings"])
    _same(job, told)
    _same(job["findings"][0], finding)
    _same(job["strip"][0], _names(told["strip"]))
    _same(job["last_run"], _sentence("`runs --json` prints a run a line:"))
    _same(found["hosts"][0], [name for name in finding if name != "told"])


def test_runs(capfd: pytest.CaptureFixture[str]) -> None:
    """Each line has all names, whether the run has ended or not."""
    assert main(["runs", "--json"]) == 0
    for line in capfd.readouterr().out.splitlines():
        _same(json.loads(line), _sentence("`runs --json` prints a run a line:"))


@pytest.mark.parametrize("uuid", ["a1", "open"])
def test_show(uuid: str, capfd: pytest.CaptureFixture[str]) -> None:
    """An open run has the same names as one that ended."""
    _same(_printed(capfd, "show", uuid), _sentence("`show --json` prints one object:"))


def test_report(capfd: pytest.CaptureFixture[str]) -> None:
    """The object of `jobs`, and what a report has besides."""
    found = _printed(capfd, "report", "--since", "7d")
    told = _rows("`report --json` prints the object of `jobs`")
    _same(found, [*_rows("`jobs --json` prints one object:"), *told])
    _same(found["totals"], [name for name in _names(told["totals"]) if name in found["totals"]])
    assert set(found["totals"]) == set(found["totals_before"]) == set(_names(told["totals"]))
    _same(found["changes"][0], _names(told["changes"]))
    numbers = ("runs", "ended", "failed", "running", "success", "p50_s", "p95_s", "longest_s")
    _same(found["changes"][0]["now"], numbers)
    _same(found["failures"][0], _names(told["failures"]))


def test_a_schedule(capfd: pytest.CaptureFixture[str]) -> None:
    """How a schedule is read."""
    _same(_printed(capfd, "expected", "--check", "5 2 * * *"), _sentence("`expected --check SCHEDULE --json` prints "))
