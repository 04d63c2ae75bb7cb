"""`otel-job-measure rejected`: lists, retries and discards what the server refused."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_job_measure.cli import main
from otel_job_measure.journal.dead_letters import DeadLetterFiles, dead_letters
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.settings import Settings
from tests.delivery.support import TinyServer
from tests.journal.support import IDENTITY
from tests.runtime.support import history, segments, variables
from tests.support.generations import AnyInflux

COMMAND = ["rejected", "--env-file", os.devnull]
SHIP = ["ship", "--once", "--env-file", os.devnull]
BAD = b'scheduling-job,job=nightly status="start",uuid="aaaaaaaaaaaa" 1800000000000000000 oops'
GOOD = b'scheduling-job,job=nightly status="start",uuid="aaaaaaaaaaaa" 1800000000000000000'
OTHER = b'scheduling-job,job=hourly status="start",uuid="bbbbbbbbbbbb" 1800000000000001000'


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyServer]:
    """A server that takes everything; the environment names it."""
    tiny = TinyServer()
    for name, value in variables(tiny.url).items():
        monkeypatch.setenv(name, value)
    yield tiny
    tiny.close()


def refuse(state_dir: Path, *lines: bytes, destination: str | None = None) -> None:
    """Keeps lines as refused."""
    state = StateDir(state_dir)
    state.make()
    where = destination or Settings.from_env().destination_id
    refused = DeadLetterFiles(state.rejected, IDENTITY._replace(destination=where))
    for line in lines:
        refused.put(line, "unable to parse: invalid timestamp")


def kept(state_dir: Path) -> list[bytes]:
    """Returns the lines that are still kept as refused."""
    return [letter.line for letter in dead_letters(StateDir(state_dir))[0]]


@pytest.mark.usefixtures("server")
class TestListed:
    def test_the_table_has_time_job_and_message(self, state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A line that cannot be parsed has no job."""
        refuse(state_dir, OTHER, BAD)
        assert main(COMMAND) == 0
        heading, *rows = capsys.readouterr().out.splitlines()
        assert heading.split() == ["refused", "job", "message"]
        assert ["hourly" in row for row in rows] == [True, False]
        assert all("invalid timestamp" in row for row in rows)

    def test_programs_get_json_lines(self, state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """One object a line, with all that is known."""
        refuse(state_dir, OTHER, b"\xff bad")
        assert main([*COMMAND, "--json"]) == 0
        first, second = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert (first["line"], first["job"]) == (OTHER.decode(), "hourly")
        assert (second["line"], second["job"]) == ("\\xff bad", None)
        assert second["message"] == "unable to parse: invalid timestamp"
        assert second["destination"] == Settings.from_env().destination_id

    def test_nothing_was_refused(self, state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The command says so, exits with 0, and makes no folder."""
        assert main(COMMAND) == 0
        assert (*capsys.readouterr(), state_dir.exists()) == ("", "No rejected lines.\n", False)


class TestRetried:
    def test_lines_are_queued_and_sent_by_ship(
        self, server: TinyServer, state_dir: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What the server takes now is refused no longer, waits nowhere, and is in the history."""
        refuse(state_dir, OTHER, GOOD)
        assert main([*COMMAND, "--retry"]) == 0
        assert capsys.readouterr().out.startswith(f"2 lines are queued for {server.url}")
        assert (kept(state_dir), server.requests) == ([], [])
        assert main(SHIP) == 0
        assert sorted(server.requests[0].lines) == sorted([OTHER, GOOD])
        assert segments(state_dir) == []
        assert sorted(job for job, _, _ in history(state_dir)) == ["hourly", "nightly"]

    def test_corrected_lines_replace_the_refused_ones(
        self, server: TinyServer, state_dir: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
    ) -> None:
        """`--lines` prints a text, any program corrects it, `--retry --from` queues it; a removed line is deleted."""
        refuse(state_dir, BAD, OTHER)
        assert main([*COMMAND, "--lines"]) == 0
        text = capfdbinary.readouterr().out
        assert b"unable to parse: invalid timestamp\n" + BAD in text
        refuse(state_dir, b"later")
        file = tmp_path / "corrected"
        file.write_bytes(text.replace(b" oops", b"").replace(OTHER + b"\n", b""))
        assert main([*COMMAND, "--retry", "--from", str(file)]) == 0
        assert kept(state_dir) == [b"later"]
        assert main(SHIP) == 0
        assert [request.lines for request in server.requests] == [[GOOD]]

    def test_what_another_destination_refused_stays(
        self, server: TinyServer, state_dir: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
    ) -> None:
        """Its lines are another project's."""
        refuse(state_dir, GOOD, destination="elsewhere")
        assert main([*COMMAND, "--retry"]) == 0
        assert b"another destination" in capfdbinary.readouterr().err
        assert main([*COMMAND, "--lines"]) == 0
        file = tmp_path / "corrected"
        file.write_bytes(capfdbinary.readouterr().out)
        assert main([*COMMAND, "--retry", "--from", str(file)]) == 1
        assert b"another destination" in capfdbinary.readouterr().err
        assert (server.requests, kept(state_dir), segments(state_dir)) == ([], [GOOD], [])

    def test_without_a_destination_nothing_is_queued(
        self, state_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The error says what to set."""
        refuse(state_dir, GOOD)
        for name in variables(""):
            monkeypatch.delenv(name, raising=False)
        assert main([*COMMAND, "--retry"]) == 1
        assert "INFLUXDB_URL" in capsys.readouterr().err
        assert kept(state_dir) == [GOOD]


@pytest.mark.usefixtures("server")
class TestDiscarded:
    def test_all_are_deleted(self, state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The command prints how many."""
        refuse(state_dir, OTHER, BAD, GOOD)
        assert main([*COMMAND, "--discard"]) == 0
        assert capsys.readouterr().out == "3 lines deleted\n"
        assert kept(state_dir) == []

    @pytest.mark.parametrize("words", [["--discard", "--retry"], ["--from", "x"], ["--discard", "--from", "x"]])
    def test_options_that_contradict_are_wrong_usage(self, words: list[str]) -> None:
        """Nothing is deleted by a slip."""
        with pytest.raises(SystemExit) as ended:
            main([*COMMAND, *words])
        assert ended.value.code == 2


def test_in_memory_there_is_nothing_to_show(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such lines are only in the log."""
    monkeypatch.setenv("OTEL_JOB_MEASURE_STATE_DIR", "memory")
    assert main(COMMAND) == 1
    assert "memory" in capsys.readouterr().err


def test_a_point_that_influxdb_refused_is_corrected_and_arrives(
    any_influx: AnyInflux,
    any_bucket: str,
    state_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """Against each generation: refused, seen, corrected, and there."""
    for name, value in any_influx.variables(any_bucket).items():
        monkeypatch.setenv(name, value)
    refuse(state_dir, BAD, OTHER)
    assert main([*COMMAND, "--retry"]) == 0
    assert main(SHIP) == 0
    assert kept(state_dir) == [BAD]
    capfdbinary.readouterr()
    assert main([*COMMAND, "--lines"]) == 0
    file = tmp_path / "corrected"
    file.write_bytes(capfdbinary.readouterr().out.replace(b" oops", b""))
    assert main([*COMMAND, "--retry", "--from", str(file)]) == 0
    assert main(SHIP) == 0
    assert kept(state_dir) == []
    assert sorted(row.tags["job"] for row in any_influx.lines(any_bucket)) == ["hourly", "nightly"]
