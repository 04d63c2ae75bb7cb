"""`otel-job-measure runs`, as people and programs use it."""

import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import pytest

from otel_job_measure import JobMeasure
from otel_job_measure.cli import main
from otel_job_measure.history import ingest
from otel_job_measure.history.history import History
from otel_job_measure.journal.file_lock import lock
from otel_job_measure.journal.interfaces import Chunk
from otel_job_measure.points.tags import DefaultTags
from tests.history.support import FAILED, LOST, SECOND, Lines, chunk, rows
from tests.journal.support import journal_in

AGO = 3600 * SECOND
TAGS = DefaultTags(datacenter="fra", project="billing", stage="production", more=(("host.name", "web-1"),))


@pytest.fixture
def now_ns() -> int:
    """The time at which the runs of a test are looked at."""
    return time.time_ns()


def fold(folder: Path, chunks: list[Chunk]) -> None:
    """Folds chunks into the history of a state directory, in the present."""
    folder.mkdir(mode=0o700, exist_ok=True)
    History(folder / "history.db", retention_s=30 * 86_400).fold(chunks)


@pytest.fixture
def recorded(state_dir: Path, now_ns: int) -> Path:
    """A state directory with four runs: one failed, one well, one lost and one that runs."""
    first, second = Lines(uuid="aaaaaaaaaaaa", tags=TAGS), Lines(uuid="bbbbbbbbbbbb", job="import")
    third, fourth = Lines(uuid="cccccccccccc", job="import"), Lines(uuid="dddddddddddd", job="report")
    fold(
        state_dir,
        [
            chunk(
                b"".join(
                    [
                        *(first.start(now_ns - 48 * AGO), first.end(now_ns - 48 * AGO + SECOND, FAILED)),
                        *(second.start(now_ns - 3 * AGO), second.end(now_ns - 3 * AGO + SECOND)),
                        *(third.start(now_ns - 2 * AGO), third.end(now_ns - 2 * AGO + SECOND, LOST)),
                        fourth.start(now_ns - AGO // 2),
                    ]
                )
            )
        ],
    )
    return state_dir


def listed(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, object]]:
    """Returns what `runs --json` prints."""
    assert main(["runs", "--json", *words]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return [json.loads(line) for line in captured.out.splitlines()]


def uuids(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Returns the first letters of the ids of the runs that are listed."""
    return "".join(str(run["uuid"])[0] for run in listed(capsys, *words))


def test_people_get_a_table(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The latest run first, each with what people ask for, and without colours in a pipe."""
    assert main(["runs"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    lines = captured.out.splitlines()
    assert "\x1b" not in captured.out
    assert lines[0].split()[:5] == ["job", "started", "took", "late", "status"]
    cells = [re.split(r"  +", line.rstrip()) for line in lines[1:]]
    assert [(each[0], each[2].split()[-1].lstrip("0123456789"), *each[4:7], each[-1]) for each in cells] == [
        ("report", "s", "running", "-", "-", "dddddddddddd"),
        ("import", "-", "failed", "lost", "-", "cccccccccccc"),
        ("import", "ms", "ok", "-", "-", "bbbbbbbbbbbb"),
        ("nightly", "ms", "failed", "error", "ValueError", "aaaaaaaaaaaa"),
    ]


def test_programs_get_json_lines(recorded: Path, capsys: pytest.CaptureFixture[str], now_ns: int) -> None:
    """Each run is an object of its own, with its times in UTC and in nanoseconds."""
    (run,) = listed(capsys, "--job", "nightly")
    started_ns = now_ns - 48 * AGO
    assert run == {
        "job": "nightly",
        "uuid": "aaaaaaaaaaaa",
        "status": "failed",
        "reason": "error",
        "started": run["started"],
        "started_ns": started_ns,
        "ended": run["ended"],
        "ended_ns": started_ns + SECOND,
        "duration_s": 0.75,
        "datacenter": "fra",
        "project": "billing",
        "stage": "production",
        "tags": {"host.name": "web-1"},
        "host": "host-1",
        "attempt": None,
        "task_id": None,
        "trigger": None,
        "lag_s": None,
        "queued_s": None,
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "span_id": "b7ad6b7169203331",
        "error_type": "ValueError",
        "error_message": "no such file",
    }
    assert str(run["started"]).endswith(f".{started_ns % SECOND:09}Z")
    assert datetime.fromisoformat(str(run["started"])) == datetime.fromtimestamp(started_ns // 1000 / 1e6, UTC)
    (running,) = listed(capsys, "--status", "running")
    assert (running["ended"], running["ended_ns"], running["duration_s"]) == (None, None, None)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--job", "import"], "cb"),
        (["--job", "im*"], "cb"),
        (["--job", "?mport", "--status", "end"], "b"),
        (["--project", "billing"], "dcba"),
        (["--project", "bill"], ""),
        (["--project", ""], ""),
        (["--stage", "production", "--job", "i*"], "cb"),
        (["--host", "host-1"], "dcba"),
        (["--host", "host-2"], ""),
        (["--job", "nobody's"], ""),
        (["--status", "running"], "d"),
        (["--status", "end"], "b"),
        (["--status", "failed"], "ca"),
        (["--status", "lost"], "c"),
        (["--status", "error", "--status", "running"], "da"),
        (["--since", "1h"], "d"),
        (["--since", "150m"], "dc"),
        (["--since", "1d"], "dcb"),
        (["--since", "2w"], "dcba"),
        (["--since", "1000000w"], "dcba"),
        (["--since", "2020-01-01"], "dcba"),
        (["--since", "2999-01-01T00:00:00Z"], ""),
        (["--limit", "2"], "dc"),
        (["--limit", "1", "--job", "import", "--since", "1d", "--status", "end"], "b"),
    ],
)
def test_runs_are_chosen(recorded: Path, capsys: pytest.CaptureFixture[str], words: list[str], expected: str) -> None:
    """Each option narrows the list, alone and together."""
    assert uuids(capsys, *words) == expected


def test_since_is_local_time_where_it_names_no_zone(
    recorded: Path, capsys: pytest.CaptureFixture[str], now_ns: int
) -> None:
    """People mean the clock on their wall."""
    wall = datetime.fromtimestamp((now_ns - AGO) / 1e9, UTC).astimezone().replace(tzinfo=None)
    assert uuids(capsys, "--since", wall.isoformat()) == "d"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--since", "yesterday"], "'yesterday' is not a time; it takes 30m, 2h, 7d, 2w or an ISO time"),
        (["--since", "0001-01-01T00:00:00+23:00"], "is not a time"),
        (["--limit", "0"], "'0' is not a number from 1"),
        (["--limit", "-1"], "'-1' is not a number from 1"),
        (["--limit", "9" * 30], "is not a number from 1 to 1000000000"),
        (["--limit", "many"], "'many' is not a number"),
        (["--status", "start"], "invalid choice: 'start'"),
        (["--unknown"], "unrecognized arguments: --unknown"),
    ],
)
def test_wrong_usage_is_2(capsys: pytest.CaptureFixture[str], words: list[str], complaint: str) -> None:
    """The complaint names what was wrong, and what it takes."""
    with pytest.raises(SystemExit) as raised:
        main(["runs", *words])
    assert raised.value.code == 2
    assert complaint in capsys.readouterr().err


def test_no_runs_yet_is_no_error(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says where it looked and how to get some; programs get nothing."""
    assert main(["runs"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        f"No runs in the history {state_dir}/history.db yet: "
        "measure a job, or see how it works with `otel-job-measure demo`.\n"
    )
    assert listed(capsys) == []


def test_no_run_like_that_says_so(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where there are runs, but none that was asked for, the options are to blame."""
    assert main(["runs", "--job", "nobody's"]) == 0
    assert capsys.readouterr().err == (
        f"No matching runs in the history {recorded}/history.db; "
        "without --job, --project, --stage, --host, --status and --since, all runs are listed.\n"
    )


def test_it_says_how_many_more_there_are(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Below a list that was cut stands how many runs match; programs get only runs."""
    assert main(["runs", "--limit", "2"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 of 4 runs"
    assert main(["runs", "--limit", "4"]) == 0
    assert "4 of" not in capsys.readouterr().out
    assert main(["runs", "--limit", "1", "--job", "import"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 of 2 runs"
    assert len(listed(capsys, "--limit", "1")) == 1


def test_what_living_processes_have_written_is_listed_at_once(
    state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`runs` does not wait until a process ingests its own points."""
    journal = journal_in(state_dir)
    line = Lines(uuid="eeeeeeeeeeee")
    journal.begin(line.uuid, line.start(journal.stamp()))
    try:
        assert uuids(capsys) == "e"
    finally:
        journal.close(delivered=False)


def test_what_is_not_in_yet_is_told(
    recorded: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the history takes nothing more, the runs that are in it are listed, and the rest is counted."""
    journal = journal_in(recorded)
    line = Lines(uuid="eeeeeeeeeeee")
    journal.begin(line.uuid, line.start(journal.stamp()))
    monkeypatch.setattr(ingest, "fold", _full)
    try:
        assert main(["runs", "--json"]) == 0
    finally:
        journal.close(delivered=False)
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 4
    assert re.fullmatch(
        r"1 points \(\d+ bytes\) are not in the list yet: the history .* cannot be used: no room\n", captured.err
    )


def _full(*_: object) -> NoReturn:
    raise sqlite3.OperationalError("no room")


def test_a_history_that_another_process_holds_is_waited_for(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A shipper that folds at this moment is no error."""
    held = lock(recorded / "history.lock")
    assert held is not None
    script = "import os, sys; sys.stdin.read(); os._exit(0)"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, pass_fds=[held.fd]) as other:
        held.release()
        with subprocess.Popen(
            [sys.executable, "-m", "otel_job_measure", "runs", "--json"], stdout=subprocess.PIPE, text=True
        ) as command:
            assert other.stdin is not None
            other.stdin.close()
            out, _ = command.communicate(timeout=60)
    assert command.returncode == 0
    assert len(out.splitlines()) == 4


@pytest.mark.parametrize("how", ["a file", "memory", "newer", "off", "an unreadable --env-file"])
def test_what_cannot_be_read_is_1(
    tmp_path: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    """One line on stderr says what is wrong, and nothing is listed."""
    words: list[str] = []
    if how == "a file":
        state_dir.write_text("")
        expected = f"the state directory {state_dir} (OTEL_JOB_MEASURE_STATE_DIR) cannot be used"
    elif how == "memory":
        monkeypatch.setenv("OTEL_JOB_MEASURE_STATE_DIR", "memory")
        expected = "OTEL_JOB_MEASURE_STATE_DIR is 'memory': nothing is kept"
    elif how == "newer":
        fold(state_dir, [chunk(Lines(uuid="a").start())])
        rows(state_dir / "history.db", "PRAGMA user_version = 99")
        expected = "was written by a newer version of otel-job-measure"
    elif how == "off":
        monkeypatch.setenv("OTEL_JOB_MEASURE_HISTORY", "off")
        expected = "the history is turned off (OTEL_JOB_MEASURE_HISTORY)"
    else:
        words = ["--env-file", str(tmp_path / "missing.env")]
        expected = "missing.env"
    assert main(["runs", *words]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert expected in captured.err
    assert captured.err.startswith("otel-job-measure: ")
    assert captured.err.count("\n") == 1


def test_the_state_directory_can_be_named(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By an option, or by a file of variables, as cron's commands have it; the option goes first."""
    monkeypatch.delenv("OTEL_JOB_MEASURE_STATE_DIR")
    env = tmp_path / "job.env"
    env.write_text(f"OTEL_JOB_MEASURE_STATE_DIR={recorded}\n")
    assert uuids(capsys, "--state-dir", str(recorded)) == "dcba"
    assert uuids(capsys, "--state-dir", str(tmp_path / "empty"), "--env-file", str(env)) == ""
    assert uuids(capsys, "--env-file", str(env)) == "dcba"


def test_settings_of_the_server_are_no_matter(
    recorded: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Runs are listed even if INFLUXDB_URL is wrong or its token is missing."""
    monkeypatch.setenv("INFLUXDB_URL", "no url")
    monkeypatch.setenv("OTEL_JOB_MEASURE_CONFIRM_START", "perhaps")
    assert uuids(capsys) == "dcba"


@pytest.mark.parametrize(("words", "first"), [("--json", '{"job"'), ("", "job  ")], ids=["programs", "people"])
def test_a_reader_that_has_seen_enough_is_no_error(recorded: Path, now_ns: int, words: str, first: str) -> None:
    """`otel-job-measure runs | head` is quiet."""
    fold(recorded, [chunk(b"".join(Lines(uuid=f"run-{n:08}").start(now_ns + n) for n in range(5000)), "many")])
    command = f"{sys.executable} -m otel_job_measure runs --limit 5000 {words} | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(first)


def test_no_heavy_library_is_loaded_for_json(recorded: Path) -> None:
    """Neither rich, nor the SDK, nor influxdb-client: a program may ask often."""
    script = (
        "import sys; from otel_job_measure.cli import main; main(['runs', '--json']); "
        "print(sorted({'rich', 'opentelemetry.sdk', 'influxdb_client', 'urllib3'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"


def test_who_only_looks_makes_nothing(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is not there yet, by a typo perhaps, is still not there afterwards."""
    assert main(["runs"]) == 0
    assert str(state_dir) in capsys.readouterr().err
    assert not state_dir.exists()


def test_an_empty_state_dir_is_wrong_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that was never set doesn't mean the current folder."""
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SystemExit) as stopped:
        main(["runs", "--state-dir", ""])
    assert stopped.value.code == 2
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_an_output_that_takes_nothing_is_one_line(state_dir: Path, words: list[str]) -> None:
    """A full disk behind stdout ends with 1 and without a traceback, a closed one with 0."""
    fold(state_dir, [chunk(Lines(uuid="a").start())])
    command = [sys.executable, "-m", "otel_job_measure", "runs", *words]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "otel-job-measure: stdout cannot be written: No space left on device\n"
    closed = subprocess.run(["sh", "-c", f"{shlex.join(command)} >&-"], capture_output=True, text=True, check=False)
    assert (closed.returncode, closed.stderr) == (0, "")


def test_a_job_is_found_by_the_name_that_it_was_given(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The rows hold the nearest thing to it: a newline as two characters."""
    with JobMeasure().run("two\nlines"):
        pass
    assert main(["runs", "--json", "--job", "two\nlines"]) == 0
    assert json.loads(capsys.readouterr().out)["job"] == r"two\nlines"


def test_a_running_run_has_the_host_of_its_start(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its rows do not tell yet, but its segment does."""
    with JobMeasure().run("nightly"):
        assert main(["runs", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["status"], found["host"]) == ("running", os.uname().nodename)


@pytest.mark.parametrize("name", ["INFLUXDB_URL", "OTEL_JOB_MEASURE_INFLUXDB_URL"])
def test_without_a_history_a_server_that_is_configured_answers(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also if only the variables of this package name it."""
    monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("INFLUXDB_ORG", "o")
    monkeypatch.setenv("INFLUXDB_BUCKET", "b")
    assert main(["runs"]) == 1
    assert "no answer from http://127.0.0.1:1" in capsys.readouterr().err
