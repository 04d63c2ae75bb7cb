"""`show`: everything about one run."""

import json
import time
from pathlib import Path
from typing import Final

import pytest

from otel_job_measure.cli import main
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.journal.interfaces import Chunk
from otel_job_measure.journal.kept_output import KeptOutput, encode
from otel_job_measure.points.outcome import Ending, Outcome
from otel_job_measure.points.rows import Series, ending_lines, start_line
from otel_job_measure.points.tags import DefaultTags
from tests.history.support import history_in
from tests.insight.contract import FAILED, whole

SECOND: Final = 10**9


@pytest.fixture(autouse=True)
def _runs(state_dir: Path) -> None:
    """Three runs of a job, the middle one failed."""
    now_ns, job = time.time_ns(), JobId("nightly", "billing", "production")
    data = whole("abc1", now_ns - 3000 * SECOND, job, took_s=2.0)
    data += whole("abd2", now_ns - 2000 * SECOND, job, took_s=3.0, outcome=FAILED)
    data += whole("xyz3", now_ns - 1000 * SECOND, job, took_s=4.0)
    state_dir.mkdir(mode=0o700, exist_ok=True)
    history_in(state_dir, None, retention_s=1e10).fold([Chunk(segment="local-1.lp", offset=0, data=data, host="web-1")])


def test_a_prefix_will_do_and_the_neighbours_are_told(capfd: pytest.CaptureFixture[str]) -> None:
    """The run before and the run after are named, for people and for programs."""
    assert main(["show", "abd"]) == 0
    shown = capfd.readouterr().out
    assert all(text in shown for text in ("nightly", "abd2", "ValueError", "abc1", "xyz3"))
    assert main(["show", "--json", "abd"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["run"]["uuid"], found["before"]["uuid"], found["after"]["uuid"]) == ("abd2", "abc1", "xyz3")


def test_several_runs_are_listed(capfd: pytest.CaptureFixture[str]) -> None:
    """The exit code is 1, and the message asks for more of the id."""
    assert main(["show", "ab"]) == 1
    captured = capfd.readouterr()
    assert "nightly" in captured.out
    assert "2 runs have an id that begins with 'ab': give more of it" in captured.err
    assert main(["show", "--json", "ab"]) == 1
    assert {json.loads(line)["uuid"] for line in capfd.readouterr().out.splitlines()} == {"abc1", "abd2"}


def test_more_runs_than_are_listed_are_not_counted(state_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The message says that there may be more."""
    data = b"".join(whole(f"many{n}", time.time_ns() - n * SECOND) for n in range(30))
    history_in(state_dir, None, retention_s=1e10).fold([Chunk(segment="b.lp", offset=0, data=data, host="web-1")])
    assert main(["show", "many"]) == 1
    assert "20 runs or more have an id that begins with 'many'" in capfd.readouterr().err


def test_kept_output_and_the_link_to_the_trace(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """People see the output line by line, with nothing that acts on the terminal; programs get it as it was."""
    ns, wild = time.time_ns() // 1000 * 1000, b"first\n\x1b[31mred\tend\xff\n"
    outcome, tags = FAILED, DefaultTags()
    trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    ending = Ending("kept1", outcome, ns, 1.0, "web-1", trace, span)
    series = Series("back up/all", tags)
    data = start_line(series, "kept1", ns - SECOND) + ending_lines(series, ending, run_row=True, error_message=False)
    data += encode(KeptOutput("kept1", ns, "stderr", wild)) + encode(KeptOutput("kept1", ns, "stdout", b""))
    history_in(state_dir, None, retention_s=1e10).fold([Chunk(segment="local-2.lp", offset=0, data=data, host="web-1")])
    monkeypatch.setenv("OTEL_JOB_MEASURE_TRACE_LINK", "https://traces.example/{trace_id}/{span_id}?j={job}&u={uuid}")
    link = f"https://traces.example/{trace}/{span}?j=back%20up%2Fall&u=kept1"
    assert main(["show", "kept"]) == 0
    shown = capfd.readouterr().out
    assert f"  link        {link}\n" in shown
    assert f"\nstderr, the last {len(wild)} bytes:\nfirst\n\\x1b[31mred" in shown
    assert "\x1b" not in shown
    assert "stdout, the last" not in shown
    assert main(["show", "--json", "kept"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["trace_url"] == link
    assert found["output"] == {"stdout": "", "stderr": wild.decode("utf-8", "replace")}
    monkeypatch.delenv("OTEL_JOB_MEASURE_TRACE_LINK")
    assert main(["show", "kept"]) == 0
    assert "  link " not in capfd.readouterr().out


@pytest.mark.parametrize("uuid", ["nothing", "\x1b[31m", "%", "_"])
def test_an_unknown_run_is_named(uuid: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing in it acts on the terminal, and it is no pattern."""
    assert main(["show", uuid]) == 1
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "has an id that begins with" in captured.err
    assert "\x1b" not in captured.err


def test_the_end_of_a_lost_run_is_not_known(state_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Its row has a time right after its start, which people do not read as its end."""
    lost = whole("lost1", time.time_ns() - SECOND, took_s=1e-6, outcome=Outcome("lost", None, None))
    history_in(state_dir, None, retention_s=1e10).fold([Chunk(segment="b.lp", offset=0, data=lost, host="web-1")])
    assert main(["show", "lost1"]) == 0
    assert "ended       not known: its process was gone" in capfd.readouterr().out
