"""`otel-job-measure rejected`: what InfluxDB refused is seen, mended, sent again or given up."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_job_measure.cli import main
from otel_job_measure.journal.dead_letters import DeadLetterFiles
from otel_job_measure.journal.rejected_lines import RejectedLines, id_of
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.settings import Settings
from tests.delivery.support import Reply, TinyServer
from tests.journal.support import IDENTITY
from tests.runtime.support import DEAD, history, segments, variables
from tests.support.influx import InfluxServer

COMMAND = ["rejected", "--env-file", os.devnull]
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


def refuse(state_dir: Path, *lines: bytes, destination: str | None = None) -> list[str]:
    """Keeps lines as refused, and returns their ids."""
    state = StateDir(state_dir)
    state.make()
    where = destination or Settings.from_env().destination_id
    rejects = DeadLetterFiles(state.rejected, IDENTITY._replace(destination=where))
    for line in lines:
        rejects.put(line, "unable to parse: invalid timestamp")
    return [id_of(where, line) for line in lines]


def kept(state_dir: Path) -> list[bytes]:
    """Returns the lines that are still kept as refused."""
    return [one.line for one in RejectedLines(state_dir / "rejected").all()]


def editor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str) -> None:
    """Lets $EDITOR be a shell script."""
    path = tmp_path / "editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    monkeypatch.setenv("VISUAL", str(path))


@pytest.mark.usefixtures("server")
class TestSeen:
    def test_the_table_has_id_job_and_reason(self, state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A line that says whose it is has its job, one that can't be read has none."""
        ids = refuse(state_dir, OTHER, BAD)
        assert main(COMMAND) == 0
        heading, *rows = capsys.readouterr().out.splitlines()
        assert heading.split() == ["id", "refused", "job", "why"]
        assert sorted(row.split()[0] for row in rows) == sorted(ids)
        assert sum("hourly" in row for row in rows) == 1
        assert all("invalid timestamp" in row for row in rows)

    def test_programs_get_json_lines(self, state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """One object a line, with all that is known; an id's beginning chooses."""
        ids = refuse(state_dir, OTHER, b"\xff bad")
        assert main([*COMMAND, "--json", ids[1][:6]]) == 0
        [found] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert (found["id"], found["line"], found["job"]) == (ids[1], "\\xff bad", None)
        assert found["why"] == "unable to parse: invalid timestamp"

    def test_nothing_was_refused(self, state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """That is said, is no error, and makes no folder."""
        assert main(COMMAND) == 0
        out, err = capsys.readouterr()
        assert (out, "refused nothing" in err, state_dir.exists()) == ("", True, False)

    def test_an_id_that_is_none_is_said(self, state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """And nothing is done; nor where it could mean several."""
        refuse(state_dir, *(b"bad %d" % number for number in range(40)))
        for given in ("nope", ""):
            assert main([*COMMAND, "--discard", given]) == 1
            assert capsys.readouterr().err.startswith("otel-job-measure: ")
        assert len(kept(state_dir)) == 40


class TestSentAgain:
    def test_lines_are_sent_as_they_are(
        self, server: TinyServer, state_dir: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What the server takes now is refused no longer, waits nowhere, and is in the history."""
        refuse(state_dir, OTHER, GOOD)
        assert main([*COMMAND, "--retry"]) == 0
        assert capsys.readouterr().out == "2 points accepted, 0 rejected, 0 expired\n"
        assert sorted(server.requests[0].lines) == sorted([OTHER, GOOD])
        assert (kept(state_dir), segments(state_dir)) == ([], [])
        assert sorted(job for job, _, _ in history(state_dir)) == ["hourly", "nightly"]

    def test_a_mended_line_takes_the_place_of_the_refused_one(
        self, server: TinyServer, state_dir: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
    ) -> None:
        """`--lines` gives a text, any program mends it, `--retry --from` sends it; what is left out of it stays."""
        refuse(state_dir, BAD, OTHER)
        assert main([*COMMAND, "--lines", id_of(Settings.from_env().destination_id, BAD)]) == 0
        text = capfdbinary.readouterr().out
        file = tmp_path / "mended"
        file.write_bytes(text.replace(b" oops", b""))
        assert main([*COMMAND, "--retry", "--from", str(file)]) == 0
        assert [request.lines for request in server.requests] == [[GOOD]]
        assert kept(state_dir) == [OTHER]

    def test_an_editor_mends_too(
        self, server: TinyServer, state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is in the file when the editor is left is sent."""
        refuse(state_dir, BAD)
        editor(monkeypatch, tmp_path, "sed -i 's/ oops//' \"$1\"")
        assert main([*COMMAND, "--edit"]) == 0
        assert [request.lines for request in server.requests] == [[GOOD]]
        assert kept(state_dir) == []

    @pytest.mark.parametrize(("script", "code"), [("true", 0), ('echo x >>"$1"; false', 1), ("exec nothing-there", 1)])
    def test_an_editor_that_changes_nothing_or_fails_sends_nothing(
        self,
        server: TinyServer,
        state_dir: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        script: str,
        code: int,
    ) -> None:
        """As with every tool that opens one."""
        refuse(state_dir, BAD)
        editor(monkeypatch, tmp_path, script)
        assert main([*COMMAND, "--edit"]) == code
        assert (server.requests, kept(state_dir)) == ([], [BAD])

    def test_no_editor_at_all(self, server: TinyServer, state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The error says what to set."""
        refuse(state_dir, BAD)
        monkeypatch.setenv("VISUAL", "/no/such/editor")
        assert main([*COMMAND, "--edit"]) == 1
        assert server.requests == []

    def test_what_is_refused_again_is_kept_as_it_is_now(
        self, server: TinyServer, state_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """With the new reason; the exit code is 1."""
        refuse(state_dir, BAD)
        server.always = Reply(422, {}, b'{"message": "still wrong"}')
        file = tmp_path / "mended"
        file.write_bytes(b"# %s refused once: x\nstill bad\n" % id_of(Settings.from_env().destination_id, BAD).encode())
        assert main([*COMMAND, "--retry", "--from", str(file)]) == 1
        out, err = capsys.readouterr()
        assert out == "0 points accepted, 1 rejected, 0 expired\n"
        assert "refused again" in err
        [one] = RejectedLines(state_dir / "rejected").all()
        assert (one.line, "still wrong" in one.words) == (b"still bad", True)

    def test_while_the_server_is_down_mended_lines_wait_like_all_others(
        self, state_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Nobody has to mend them twice."""
        for name, value in variables(DEAD).items():
            monkeypatch.setenv(name, value)
        refuse(state_dir, GOOD)
        assert main([*COMMAND, "--retry"]) == 1
        assert "is sent like all others" in capsys.readouterr().err
        [segment] = segments(state_dir)
        assert GOOD in segment.read_bytes()
        assert kept(state_dir) == []

    def test_while_another_sends_it_takes_them_with_it(
        self, server: TinyServer, state_dir: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """One process at a time sends what waits."""
        refuse(state_dir, GOOD)
        with StateDir(state_dir).adopting():
            assert main([*COMMAND, "--retry"]) == 0
        assert "another process" in capsys.readouterr().out
        assert (server.requests, len(segments(state_dir))) == ([], 1)

    def test_without_a_token_they_wait_for_who_has_one(
        self, server: TinyServer, state_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With `SHIP=off` it is `otel-job-measure ship` that knows the token."""
        refuse(state_dir, GOOD)
        monkeypatch.delenv("INFLUXDB_TOKEN")
        monkeypatch.setenv("OTEL_JOB_MEASURE_SHIP", "off")
        assert main([*COMMAND, "--retry"]) == 0
        assert (server.requests, len(segments(state_dir)), kept(state_dir)) == ([], 1, [])

    def test_what_another_destination_refused_is_left_alone(
        self, server: TinyServer, state_dir: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Its rows are another project's."""
        refuse(state_dir, GOOD, destination="elsewhere")
        assert main([*COMMAND, "--retry"]) == 0
        assert "another destination" in capsys.readouterr().err
        assert (server.requests, kept(state_dir)) == ([], [GOOD])


@pytest.mark.usefixtures("server")
class TestGivenUp:
    def test_only_what_was_named_goes(self, state_dir: Path) -> None:
        """By ids, or all of them."""
        ids = refuse(state_dir, OTHER, BAD, GOOD)
        assert main([*COMMAND, "--discard", ids[0]]) == 0
        assert kept(state_dir) == [BAD, GOOD]
        assert main([*COMMAND, "--discard", "--all"]) == 0
        assert kept(state_dir) == []

    @pytest.mark.parametrize(
        "words",
        [["--discard"], ["--discard", "--all", "abc"], ["--all"], ["--from", "x"], ["--retry", "--from", "x", "abc"]],
    )
    def test_what_means_nothing_is_wrong_usage(self, words: list[str]) -> None:
        """Nothing is given up by a slip."""
        with pytest.raises(SystemExit) as ended:
            main([*COMMAND, *words])
        assert ended.value.code == 2


def test_in_memory_there_is_nothing_to_show(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such lines are in the log; nor can anything be sent without a destination."""
    monkeypatch.setenv("OTEL_JOB_MEASURE_STATE_DIR", "memory")
    assert main(COMMAND) == 1
    assert "in the log" in capsys.readouterr().err


def test_without_a_destination_nothing_is_sent(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error says what to set."""
    refuse(state_dir, GOOD)
    assert main([*COMMAND, "--retry"]) == 1
    assert "INFLUXDB_URL" in capsys.readouterr().err


def test_a_point_that_influxdb_refused_is_mended_and_arrives(
    influx: InfluxServer, bucket: str, state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against the real one: refused, seen, mended in an editor, and there."""
    for name, value in influx.variables(bucket).items():
        monkeypatch.setenv(name, value)
    refuse(state_dir, BAD, OTHER)
    assert main([*COMMAND, "--retry"]) == 1
    assert kept(state_dir) == [BAD]
    editor(monkeypatch, tmp_path, "sed -i 's/ oops//' \"$1\"")
    assert main([*COMMAND, "--edit"]) == 0
    assert kept(state_dir) == []
    assert sorted(row.tags["job"] for row in influx.lines(bucket)) == ["hourly", "nightly"]
