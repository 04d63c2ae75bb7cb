"""`otel-job-measure check`, as Nagios, programs and people use it."""

import json
import os
import re
import resource
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from otel_job_measure import JobMeasure
from otel_job_measure.cli import WrongUsage, main
from otel_job_measure.cli.checker import Checker
from otel_job_measure.cli.notifying import Teller
from otel_job_measure.expectations.expectation import Expectation, JobId
from otel_job_measure.insight.history_store import opened
from otel_job_measure.insight.look import look
from otel_job_measure.journal.expected_store import ExpectedStore
from otel_job_measure.journal.state_dir import Mark, StateDir
from otel_job_measure.journal.statements import Snapshot, Statement
from otel_job_measure.runtime import appending
from otel_job_measure.settings import Settings
from otel_job_measure.testing import ManualClock
from tests.support.exec_ import COMMAND, EXEC
from tests.support.uncovered import uncovered

FIRST_LINE = re.compile(r"JOBS (OK|WARNING|CRITICAL|UNKNOWN) - [^|]+ \| ok=\d+;;;0 warning=\d+;;;0 .* time=[\d.]+s;;;0")


@pytest.fixture
def measured(state_dir: Path) -> Path:
    """A state directory with a good job and a failed one."""
    measure = JobMeasure(project="billing", stage="production", state_dir=state_dir)
    with measure.run("good"):
        pass
    with pytest.raises(KeyError), measure.run("bad"):
        raise KeyError("x")
    measure.close(5)
    return state_dir


def _expect(folder: Path, job: str, ago_s: float) -> None:
    """Notes that a job should run each minute, as if its code had been seen some time ago."""
    clock = ManualClock()
    clock.wall = time.time_ns() - int(ago_s * 1e9)
    expectation = Expectation(schedule="* * * * *", timezone="UTC")
    statement = Statement(job=JobId(job, "billing", "production"), expectation=expectation)
    ExpectedStore(folder, clock).note(Snapshot(source="file", origin=f"{job}.toml", statements=(statement,)))


def test_the_first_line_and_the_exit_code_are_those_of_a_plugin(
    measured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A failed job is critical; the line names it and counts all."""
    assert main(["check", "--state-dir", str(measured)]) == 2
    first, *others = capsys.readouterr().out.splitlines()
    assert FIRST_LINE.fullmatch(first)
    assert "CRITICAL - 2 jobs: bad (billing/production) failing | ok=1;;;0 warning=0;;;0 critical=1;;;0" in first
    assert [line.split()[:2] for line in others] == [["CRITICAL", "failing"], ["OK", "ok"]]


def test_a_job_that_never_ran_is_found(measured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is known from the moment its code was seen."""
    _expect(measured, "ghost", ago_s=600)
    assert main(["check", "--state-dir", str(measured), "--job", "ghost", "--quiet"]) == 2
    first, *lines = capsys.readouterr().out.splitlines()
    # It can be late for the next due time too.
    assert re.search(r"1 job: ghost \(billing/production\) never ran[ ,|]", first)
    assert any(line.startswith("CRITICAL never ran   ghost (billing/production) since ") for line in lines)


def test_of_rows_that_the_history_never_got_nothing_is_known(
    measured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows of that time were deleted for want of room, so the job may have run."""
    _expect(measured, "ghost", ago_s=600)
    Mark(StateDir(measured), time.time_ns() - 700 * 10**9).until(time.time_ns())
    assert main(["check", "--state-dir", str(measured), "--job", "ghost", "--quiet"]) == 3
    assert "1 job: ghost (billing/production) unknown |" in capsys.readouterr().out


@pytest.mark.parametrize(("most", "state"), [(0, "unknown"), (resource.RLIM_INFINITY, "ok")])
def test_a_run_on_a_full_disk_is_unknown_and_not_missed(state_dir: Path, most: int, state: str) -> None:
    """The command ran, but no file could grow: of that time the history knows nothing, also five minutes later."""
    now = datetime.now(UTC)
    before, later = ManualClock(), ManualClock()
    before.wall = time.time_ns() - 600 * 10**9
    expectation = Expectation(schedule=f"{now:%-M %-H} * * *", timezone="UTC", grace_s=200.0)
    statement = Statement(job=JobId("job"), expectation=expectation)
    ExpectedStore(state_dir, before).note(Snapshot(source="file", origin="jobs.toml", statements=(statement,)))
    done = subprocess.run(
        [*EXEC, "true"],
        env=uncovered(),
        check=False,
        capture_output=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )
    assert done.returncode == 0
    store, _ = opened(Settings(state_dir=state_dir))
    later.wall = time.time_ns() + 300 * 10**9
    found = look(store, complete_until_ns=later.wall, folder=state_dir, clock=later)
    assert [each.state.name for each in found.judgements] == [state]


def test_json_has_all_findings(measured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Programs get the states, their times and what is told."""
    assert main(["check", "--state-dir", str(measured), "--json", "--stage", "production"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert (found["status"], found["level"], found["hosts"]) == ("critical", 2, [])
    bad, good = found["jobs"]
    assert (bad["job"], bad["state"], bad["level"], bad["told"]) == ("bad", "failing", 2, ["failing"])
    assert bad["findings"][0]["detail"] == "the last run failed: error, KeyError"
    assert (good["state"], good["told"]) == ("ok", [])


def test_the_json_object_is_what_the_docs_say(measured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """These keys and no others, each of them named in docs/monitor.md."""
    assert main(["check", "--state-dir", str(measured), "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    finding = {"state", "level", "since", "since_ns", "due", "due_ns", "uuid", "detail"}
    job = finding | {"job", "project", "stage", "host", "findings", "told"}
    assert found.keys() == {"at", "at_ns", "level", "status", "hosts", "jobs"}
    assert [each.keys() for each in found["jobs"]] == [job, job]
    assert [each.keys() for each in found["jobs"][0]["findings"]] == [finding]
    docs = (Path(__file__).parents[2] / "docs" / "monitor.md").read_text()
    said = set(re.findall(r"`(\w+)`", docs.partition("## The JSON object")[2].partition("\n## ")[0]))
    assert found.keys() | job <= said


def test_no_jobs_are_in_order(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without data and without expectations there is nothing to find."""
    state_dir.mkdir(mode=0o700)
    assert main(["check", "--state-dir", str(state_dir)]) == 0
    assert capsys.readouterr().out.startswith("JOBS OK - no jobs are known | ok=0;;;0")


def test_a_history_that_was_damaged_is_not_in_order(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its jobs are gone with the file: it is unknown how they are, until one has run again."""
    measure = JobMeasure(state_dir=state_dir)
    with measure.run("nightly"):
        pass
    measure.close()
    (state_dir / "history.db").write_bytes(b"damaged" * 2000)
    for _ in range(2):
        assert main(["check", "--state-dir", str(state_dir)]) == 3
        says = "JOBS UNKNOWN - no jobs are known: unknown | ok=0;;;0"
        assert capsys.readouterr().out.splitlines()[0].startswith(says)
    measure = JobMeasure(state_dir=state_dir)
    with measure.run("nightly"):
        pass
    measure.close()
    assert main(["check", "--state-dir", str(state_dir)]) == 0


@pytest.mark.parametrize(
    "words",
    [["--job", "goood"], ["--job", ""], ["--job", "x*"], ["--project", "bill"], ["--job", "good", "--stage", "x"]],
)
def test_a_check_that_looks_at_no_job_is_unknown(
    measured: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """With a misspelt name it would be in order for ever."""
    assert main(["check", "--state-dir", str(measured), *words]) == 3
    assert capsys.readouterr().out.startswith(f"JOBS UNKNOWN - no job is known that {words[0]} ")


def test_a_state_directory_that_is_not_there_is_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So is a misspelt one; the check makes none."""
    assert main(["check", "--state-dir", str(tmp_path / "none")]) == 3
    assert "JOBS UNKNOWN - there is no state directory" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(("words", "url"), [([], "out"), (["--json"], "out"), (["--every", "1s"], "out")])
def test_a_line_that_cannot_be_printed_is_unknown_and_people_are_told(
    measured: Path, tmp_path: Path, words: list[str], url: str
) -> None:
    """The disk of the log is full: the targets are told all the same."""
    told = tmp_path / url
    os.mkfifo(told)
    command = tmp_path / "target"
    command.write_text(f'#!/bin/sh\necho "$NOTIFY_SUBJECT" > {told}\n')
    command.chmod(0o700)
    options = ["--env-file", os.devnull, "--state-dir", str(measured), "--notify", f"exec:{command}", *words]
    with (
        Path("/dev/full").open("wb") as full,
        subprocess.Popen([*COMMAND, "check", *options], env=uncovered(), stdout=full, stderr=subprocess.PIPE) as check,
    ):
        assert told.read_text() == "[CRITICAL] bad (billing, production) failing\n"
        check.terminate() if "--every" in words else None
        _, complaints = check.communicate(timeout=300)
    assert check.returncode == 3
    assert b"No space left on device" in complaints
    assert b"Traceback" not in complaints


def test_an_interrupted_check_is_unknown(
    measured: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A traceback would end with 1, a warning."""

    def interrupt(_args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Checker, "look", interrupt)
    assert main(["check", "--state-dir", str(measured)]) == 3
    assert capsys.readouterr().out == "JOBS UNKNOWN - it was interrupted\n"


def test_a_fault_in_telling_changes_no_exit_code(
    measured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A URL of jobs.toml that cannot be used costs no other target; a fault of the notifier is one line."""
    jobs = tmp_path / "jobs.toml"
    jobs.write_text(f'[[notify]]\nurl = "http://[::1"\n[[notify]]\nurl = "exec:touch {tmp_path}/told"\n')
    monkeypatch.setenv("OTEL_JOB_MEASURE_JOBS", str(jobs))
    assert main(["check", "--state-dir", str(measured), "--notify"]) == 2
    assert (tmp_path / "told").exists()
    assert "line 1: 'notify': a target cannot be used as a URL (Invalid IPv6 URL)" in capfd.readouterr().err

    def fail(*_words: object) -> None:
        raise ZeroDivisionError("oh\nno")

    monkeypatch.setattr(Teller, "_tell", fail)
    assert main(["check", "--state-dir", str(measured), "--notify"]) == 2
    assert "otel-job-measure: ZeroDivisionError: oh; no\n" in capfd.readouterr().err


@pytest.mark.parametrize("url", ["ftp://example.com", "http://", "http://[::1", "example.com"])
def test_a_wrong_ping_is_refused(measured: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """At once, before anything is looked at."""
    assert main(["check", "--state-dir", str(measured), "--ping", url]) == 3
    assert capsys.readouterr().out.startswith("JOBS UNKNOWN - --ping takes a URL")


@pytest.mark.parametrize("words", [["--wrong"], ["--timeout", "1x"], ["--timeout", "9h"], ["--job"], ["extra"]])
def test_wrong_usage_is_unknown(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """For Nagios, argparse's 2 would be critical."""
    with pytest.raises(WrongUsage) as raised:
        main(["check", *words])
    assert raised.value.code == 3
    assert capsys.readouterr().out.startswith("JOBS UNKNOWN - ")


def test_a_history_that_cannot_be_read_is_unknown(measured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file of another program is no reason for an alarm about jobs."""
    (measured / "history.db").write_bytes(b"\0" * 8192)
    (measured / "history.db").chmod(0)
    (measured / "history.db").unlink()
    (measured / "history.db").mkdir()
    assert main(["check", "--state-dir", str(measured)]) == 3
    assert capsys.readouterr().out.startswith("JOBS UNKNOWN - ")


def test_a_fault_of_the_check_is_unknown(
    measured: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plugin that fails must not look like a warning."""

    def fail(_args: object) -> None:
        raise ZeroDivisionError("oh\nno")

    monkeypatch.setattr(Checker, "look", fail)
    assert main(["check", "--state-dir", str(measured)]) == 3
    assert capsys.readouterr().out == "JOBS UNKNOWN - ZeroDivisionError: oh; no\n"


def test_a_check_that_takes_too_long_is_unknown(
    measured: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It gives up by itself, before Nagios kills it."""

    def hang(_args: object) -> None:
        while True:
            time.monotonic()

    monkeypatch.setattr(Checker, "look", hang)
    assert main(["check", "--state-dir", str(measured), "--timeout", "0.1s"]) == 3
    assert capsys.readouterr().out == "JOBS UNKNOWN - no answer within 0.1 s; --timeout takes a longer time\n"


def test_a_hostile_name_stays_in_its_line(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A bar would begin performance data, and a newline a line of its own."""
    measure = JobMeasure(state_dir=state_dir)
    with pytest.raises(KeyError), measure.run("a|b\nOK c\x1b[31m"):
        raise KeyError
    measure.close(5)
    assert main(["check", "--state-dir", str(state_dir)]) == 2
    out = capsys.readouterr().out
    assert FIRST_LINE.fullmatch(out.splitlines()[0])
    assert len(out.splitlines()) == 2
    assert "\x1b" not in out


def _rows(folder: Path) -> list[str]:
    """Returns the monitor's rows that wait in the journal."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".db"]
    lines = [line for path in files for line in path.read_bytes().decode(errors="replace").splitlines()]
    return sorted(line for line in lines if line.startswith(("scheduling-job-event", "scheduling-job-state")))


def test_what_is_found_becomes_rows_once(measured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A state is written when it changes, an event once, however often one checks."""
    _expect(measured, "ghost", ago_s=200)
    options = ["--state-dir", str(measured), "--quiet", "--json"]
    assert main(["check", *options]) == 2
    rows = _rows(measured)
    assert sum(",event=missed,job=ghost," in row for row in rows) in {2, 3}
    assert sum('state="never ran"' in row or 'state="failing"' in row or 'state="ok"' in row for row in rows) == 3
    main(["check", *options])
    again = _rows(measured)
    assert len([row for row in again if "event=missed" in row]) == len({row for row in again if "event=missed" in row})
    assert sum("job=good" in row for row in again) <= 1


def _refuse(settings: Settings, lines: bytes) -> bool:
    """Appends nothing."""
    del settings, lines
    return False


def test_a_user_without_rights_only_looks(measured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a place for rows, the answer is the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(appending, "append", _refuse)
        assert main(["check", "--state-dir", str(measured)]) == 2
    assert _rows(measured) == []
    assert "bad (billing/production) failing" in capsys.readouterr().out


def test_jobs_toml_is_read(state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that is only written in the file is known from the first check on; a mistake costs no other job."""
    path = tmp_path / "jobs.toml"
    path.write_text('[jobs.nightly]\nmax_age = "1h"\n[jobs.wrong]\nschedule = "x"\n')
    monkeypatch.setenv("OTEL_JOB_MEASURE_JOBS", str(path))
    assert main(["check", "--state-dir", str(state_dir)]) == 0
    assert [job.job.job for job in ExpectedStore(state_dir).jobs()] == ["nightly"]
