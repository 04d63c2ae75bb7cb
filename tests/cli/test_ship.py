"""`otel-job-measure ship`: delivers in the place of processes that only append."""

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Unpack

import pytest

from otel_job_measure import JobMeasure
from otel_job_measure.cli import main
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.settings import Arguments, Settings
from tests.delivery.exchange import Exchange
from tests.delivery.support import Reply, TinyServer
from tests.history.support import history_in
from tests.runtime.support import DEAD, delivered, history, run, segments, there, variables
from tests.support.exec_ import COMMAND

ONCE = ["ship", "--once", "--env-file", os.devnull]


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    """A log as pytest has it: the command sets it up."""
    root = logging.getLogger()
    before = root.level
    yield
    root.setLevel(before)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyServer]:
    """A server that takes everything; the environment names it."""
    tiny = TinyServer()
    for name, value in variables(tiny.url).items():
        monkeypatch.setenv(name, value)
    yield tiny
    tiny.close()


def left(job: str, url: str | None = None, **more: Unpack[Arguments]) -> JobMeasure:
    """Leaves a run of a process that only appends, and is gone."""
    given: Arguments = there(url, **more) if url else more
    arguments: Arguments = {**given, "ship": False}
    measure = JobMeasure(Settings(**arguments))
    run(measure, job)
    measure.close(5)
    return measure


class TestOnce:
    def test_it_sends_what_is_there_and_says_how_much(
        self, server: TinyServer, state_dir: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What was left with a destination and without one; nothing stays, the history has it too."""
        left("with", server.url, state_dir=state_dir)
        left("without", state_dir=state_dir)
        assert main(ONCE) == 0
        assert capsys.readouterr() == ("6 points accepted, 0 rejected, 0 expired\n", "")
        assert sorted(delivered(server)) == ["with", "without"]
        assert segments(state_dir) == []
        assert history(state_dir) == [("with", "end", None), ("without", "end", None)]

    def test_there_is_nothing(self, server: TinyServer, capsys: pytest.CaptureFixture[str]) -> None:
        """That is no error."""
        assert main(ONCE) == 0
        assert capsys.readouterr().out == "0 points accepted, 0 rejected, 0 expired\n"
        assert server.requests == []

    def test_segments_of_living_processes_are_sent_on(self, server: TinyServer, state_dir: Path) -> None:
        """It remembers from one time to the next how far it came, and leaves the segment to its process."""
        measure = JobMeasure(ship=False)
        with measure.run("long"):
            assert main(ONCE) == 0
            assert len(server.requests[-1].lines) == 1
        assert main(ONCE) == 0
        assert len(server.requests[-1].lines) == 2
        assert main(ONCE) == 0
        assert len(server.requests) == 2
        assert len(segments(state_dir)) == 1

    def test_runs_that_never_came_back_are_lost(self, server: TinyServer, state_dir: Path) -> None:
        """It ends the runs of the dead, and sends that too."""
        gone = "door = JobMeasure(ship=False).run('a'); door.__enter__(); os._exit(9)"
        imports = "import os; from otel_job_measure import JobMeasure"
        subprocess.run([sys.executable, "-c", f"{imports}; {gone}"], check=False)
        assert main(ONCE) == 0
        assert b"reason=lost" in b"".join(line for request in server.requests for line in request.lines)
        assert history(state_dir) == [("a", "failed", "lost")]

    def test_another_destination_is_left_alone_and_told_of(
        self, server: TinyServer, state_dir: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """How much waits, where for, and how to send it here; then it is sent here."""
        measure = left("elsewhere", DEAD, state_dir=state_dir)
        assert main(ONCE) == 0
        told = capsys.readouterr().err
        assert f"wait for {DEAD} org=o bucket=b" in told
        assert f"--redirect {measure.settings.destination_id}" in told
        assert server.requests == []
        assert main([*ONCE, "--redirect", measure.settings.destination_id]) == 0
        assert delivered(server) == ["elsewhere"]
        assert capsys.readouterr().err == ""

    def test_everything_can_be_redirected(self, server: TinyServer, state_dir: Path) -> None:
        """Without an id `--redirect` means all destinations, but for none what is only local."""
        left("a", DEAD, state_dir=state_dir)
        left("b", "http://127.0.0.1:8", state_dir=state_dir)
        assert main([*ONCE, "--redirect"]) == 0
        assert sorted(delivered(server)) == ["a", "b"]
        assert segments(state_dir) == []

    def test_what_cannot_be_sent_waits(
        self, server: TinyServer, state_dir: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Exit code 1; it says how much, and the log why."""
        left("a", server.url, state_dir=state_dir)
        server.always = Reply(401, body=b'{"message": "unauthorized access"}')
        assert main(ONCE) == 1
        out, err = capsys.readouterr()
        assert out.startswith("0 points accepted")
        assert "bytes could not be sent and wait" in err
        assert "INFLUXDB_TOKEN" in caplog.text
        assert len(segments(state_dir)) == 1

    def test_refused_lines_are_counted(
        self, server: TinyServer, state_dir: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """They are kept in `rejected/`, and that is no failure of the command."""
        left("a", server.url, state_dir=state_dir)
        server.always = Reply(413)
        assert main(ONCE) == 0
        assert capsys.readouterr().out == "0 points accepted, 3 rejected, 0 expired\n"
        assert len(list((state_dir / "rejected").iterdir())) == 1

    def test_a_history_that_is_in_use_is_no_failure(self, server: TinyServer, state_dir: Path) -> None:
        """InfluxDB has everything; the segment stays until the history has it too."""
        left("a", server.url, state_dir=state_dir)
        with history_in(state_dir)._database.transaction():
            assert main(ONCE) == 0
        assert delivered(server) == ["a"]
        assert len(segments(state_dir)) == 1

    def test_without_a_history_it_is_not_made(
        self, server: TinyServer, state_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With `OTEL_JOB_MEASURE_HISTORY=off` a segment goes when InfluxDB has it."""
        monkeypatch.setenv("OTEL_JOB_MEASURE_HISTORY", "off")
        left("a", server.url, state_dir=state_dir, history=False)
        assert main(ONCE) == 0
        assert segments(state_dir) == []
        assert not (state_dir / "history.db").exists()

    def test_while_another_is_at_it_there_is_nothing_to_do(
        self, server: TinyServer, state_dir: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """One process at a time sends what others left; that another does is no failure."""
        left("a", server.url, state_dir=state_dir)
        with StateDir(state_dir).adopting():
            assert main(ONCE) == 0
        assert "another process is sending" in capsys.readouterr().err
        assert server.requests == []

    def test_an_option_names_another_folder(self, server: TinyServer, tmp_path: Path) -> None:
        """`--state-dir` goes before the setting."""
        left("a", server.url, state_dir=tmp_path / "other")
        assert main(ONCE) == 0
        assert server.requests == []
        assert main([*ONCE, "--state-dir", str(tmp_path / "other")]) == 0
        assert delivered(server) == ["a"]


@pytest.mark.parametrize("allowed", [False, True])
def test_lines_of_other_measurements_are_sent_only_if_told(
    server: TinyServer, state_dir: Path, capsys: pytest.CaptureFixture[str], *, allowed: bool
) -> None:
    """A process that can write the state directory must not write any measurement with the shipper's token."""
    left("job", server.url, state_dir=state_dir)
    [segment] = state_dir.rglob("*.lp")
    with segment.open("ab") as file:
        file.write(b"cpu,host=a usage=1 1800000000000000000\nscheduling-job-runs x=1 1800000000000000000\n")
    main([*ONCE, *(["--any-measurement"] if allowed else [])])
    sent = [line.partition(b",")[0].partition(b" ")[0] for request in server.requests for line in request.lines]
    foreign = [b"cpu", b"scheduling-job-runs"]
    assert [name for name in sent if name in foreign] == (foreign if allowed else [])
    assert sent.count(b"scheduling-job") == 2
    assert f"{0 if allowed else 2} rejected" in capsys.readouterr().out
    main(["rejected", "--lines", "--env-file", os.devnull])
    assert ("its measurement is none of this package's" in capsys.readouterr().out) is not allowed


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("INFLUXDB_BUCKET", "", "INFLUXDB_BUCKET"),
        ("OTEL_JOB_MEASURE_STATE_DIR", "memory", "memory"),
        ("OTEL_JOB_MEASURE_RETENTION", "for ever", "OTEL_JOB_MEASURE_RETENTION"),
    ],
)
@pytest.mark.usefixtures("server")
def test_wrong_settings_are_one_error(
    name: str, value: str, complaint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, and the variable is named."""
    monkeypatch.setenv(name, value)
    assert main(ONCE) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("otel-job-measure: ")
    assert complaint in err


def test_without_a_destination_there_is_nowhere_to_send(capsys: pytest.CaptureFixture[str]) -> None:
    """It says which variable is missing."""
    assert main(ONCE) == 1
    assert "INFLUXDB_URL" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_goes_on_until_it_is_stopped(server: TinyServer, state_dir: Path, number: signal.Signals) -> None:
    """It sends what comes, and ends with 0 when a signal asks it to."""
    came = threading.Semaphore(0)
    server.during = came.release
    command = [*COMMAND, "ship", "--env-file", os.devnull]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            for job in ("first", "second"):
                left(job, server.url, state_dir=state_dir)
                while job not in delivered(server):  # it may be seen while it is written
                    assert came.acquire(timeout=30)
            process.send_signal(number)
            out, err = process.communicate(timeout=30)
        except BaseException:
            process.kill()
            raise
    assert (process.returncode, out, err) == (0, "", "")
    assert sorted(delivered(server)) == ["first", "second"]


def test_a_server_that_comes_late_gets_everything(server: TinyServer, state_dir: Path) -> None:
    """While it is down the command waits, and tells why once."""
    came = threading.Semaphore(0)
    server.replies = [Reply(503, {"Retry-After": "0"})]
    server.during = came.release
    left("a", server.url, state_dir=state_dir)
    command = [*COMMAND, "ship", "--env-file", os.devnull]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert came.acquire(timeout=30)
            assert came.acquire(timeout=30)
            process.terminate()
            _, err = process.communicate(timeout=30)
        except BaseException:
            process.kill()
            raise
    assert process.returncode == 0
    assert delivered(server)[-1] == "a"
    assert err.count("points wait for influxdb") <= 1


class TestBackfill:
    def test_runs_from_before_there_was_a_server_are_sent(
        self, server: TinyServer, state_dir: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Looking at the runs took their points out of the journal; the history still has them."""
        measure = JobMeasure(Settings(state_dir=state_dir))  # no server
        run(measure, "before")
        measure.close(5)
        assert history(state_dir) == [("before", "end", None)]
        capsys.readouterr()
        assert main(["ship", "--env-file", os.devnull, "--backfill"]) == 0
        assert capsys.readouterr().out == "3 points accepted, 0 rejected, 0 expired\n"
        assert delivered(server) == ["before"]

    def test_what_nobody_has_looked_at_is_sent_too(self, server: TinyServer, state_dir: Path) -> None:
        """The command first moves what waits into the history."""
        left("before", state_dir=state_dir)
        assert main(["ship", "--env-file", os.devnull, "--backfill"]) == 0
        assert delivered(server) == ["before"]

    def test_since_leaves_older_runs_out(self, server: TinyServer, state_dir: Path) -> None:
        """It takes what `runs --since` takes."""
        left("before", state_dir=state_dir)
        assert main(["ship", "--env-file", os.devnull, "--backfill", "--since", "2100-01-01"]) == 0
        assert server.requests == []
        assert main(["ship", "--env-file", os.devnull, "--backfill", "--since", "30d"]) == 0
        assert delivered(server) == ["before"]

    def test_runs_of_another_destination_are_sent_only_if_asked_for(self, server: TinyServer, state_dir: Path) -> None:
        """They are another project's; `--redirect` sends them."""
        left("elsewhere", DEAD, state_dir=state_dir)
        assert main(["ship", "--env-file", os.devnull, "--backfill"]) == 0
        assert server.requests == []
        assert main(["ship", "--env-file", os.devnull, "--backfill", "--redirect"]) == 0
        assert delivered(server) == ["elsewhere"]

    def test_without_the_right_token_it_ends_at_once(
        self, server: TinyServer, state_dir: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Exit code 1, and how to go on."""
        left("before", state_dir=state_dir)
        server.always = Reply(401, {}, b"")
        assert main(["ship", "--env-file", os.devnull, "--backfill"]) == 1
        assert "run the command again" in capsys.readouterr().err
        assert len(server.requests) == 1

    def test_a_server_that_fails_once_is_tried_again(self, server: TinyServer, state_dir: Path) -> None:
        """A short outage does not end the command."""
        left("before", state_dir=state_dir)
        server.replies = [Reply(503, {}, b"")]
        assert main(["ship", "--env-file", os.devnull, "--backfill"]) == 0
        assert len(server.requests) == 2

    def test_a_long_history_is_sent_part_by_part(
        self, server: TinyServer, state_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A part that fails comes again, no part is skipped, and progress is printed."""
        monkeypatch.setattr("otel_job_measure.history.history._RUNS_AT_ONCE", 1)
        monkeypatch.setattr("otel_job_measure.cli.backfill._WINDOW_BYTES", 1)
        monkeypatch.setattr("otel_job_measure.cli.backfill._PROGRESS_S", -1.0)
        for job in ("a", "b", "c"):
            left(job, state_dir=state_dir)
        server.replies = [Reply(204, {}, b""), Reply(503, {}, b"")]
        assert main(["ship", "--env-file", os.devnull, "--backfill"]) == 0
        out, err = capsys.readouterr()
        assert out == "9 points accepted, 0 rejected, 0 expired\n"
        assert "3 points accepted so far\n" in err
        assert len(server.requests) == 4

    def test_since_alone_is_wrong_usage(self) -> None:
        """It has no meaning for what waits."""
        with pytest.raises(SystemExit) as ended:
            main([*ONCE, "--since", "1d"])
        assert ended.value.code == 2


def test_a_second_signal_ends_it_at_once(server: TinyServer, state_dir: Path) -> None:
    """The first one waits for the request that is under way, and the last look; nothing is lost by the second."""
    left("one", server.url, state_dir=state_dir)
    asked = threading.Event()

    def hang(exchange: Exchange) -> None:
        asked.set()
        exchange.hang()

    server.play = hang
    more = {"OTEL_JOB_MEASURE_TIMEOUT": "100"}
    process = subprocess.Popen([*COMMAND, "ship", "--env-file", os.devnull], env=os.environ | more)
    assert asked.wait(60)
    while process.poll() is None:
        process.send_signal(signal.SIGTERM)
    assert process.wait(60) == -signal.SIGTERM
