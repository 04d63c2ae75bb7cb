"""A hostile value in each field of each output: nothing reaches a terminal or a log that either would act on."""

import base64
import json
import os
import pty
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from otel_job_measure.printable import printable
from tests.delivery.support import Reply, TinyServer
from tests.support.answering import Answer, AnsweringServer
from tests.support.exec_ import COMMAND

VALUES: Final[Mapping[str, str]] = {
    "clipboard": "\x1b]52;c;aGVsbG8=\x07",
    "clear": "\x1b[2J\x1b[31m",
    "c1": "\x9b31m\x85",
    "return": "good\rbad",
    "nul": "a\0b",
    "delete": "a\x7f\x08b",
    "bidi": "\u202egpj.exe\u2066",
    "unseen": "a\u200b\u3164\ufe0f\U000e0041b",
    "surrogates": "\ud800\udfff\ud800",
    "lines": "a\u2028b\u2029c",
    "long": "x" * 2**20,
    "long and hostile": "\x1b[31m" * 2**17,
}
AS_WORDS: Final = ("clipboard", "bidi", "surrogates", "lines", "long and hostile")
"""Those that are tried as words of a command line, too."""
TAGS: Final = ("job", "datacenter", "project", "stage", "status", "reason", "further")
FIELDS: Final = ("uuid", "host", "task_id", "trigger", "trace_id", "span_id", "error_type", "error_message")
GOOD: Final = 'scheduling-job-run,job={job},status=failed,reason=error success=0.0,uuid="{uuid}" 1800000000{at:09}'
DESTINATION: Final = "0123456789abcdef"
LONGEST: Final = 30_000
"""The most characters of a line of output for people: a line of kept output, or an error, with each as an escape."""
UUID: Final = "Goodgoodgood"


def header(value: str = "v") -> bytes:
    """Returns the first line of a segment, with a value in each text."""
    texts = dict.fromkeys(("host", "boot", "destination", "label"), value)
    numbers = {"format": 1, "slot": 1, "ordinal": 1, "created": 1, "runs": True}
    return b"# otel-job-measure " + json.dumps(texts | numbers).encode() + b"\n"


def raw(text: str) -> bytes:
    """Returns the bytes of a text, also of one that is no Unicode."""
    return text.encode("utf-8", "surrogatepass")


def escaped(value: str) -> str:
    """Returns the value of a tag, as line protocol has it."""
    return re.sub(r"([ ,=\\])", r"\\\1", value)


def rows() -> Iterator[bytes]:
    """Yields a good row, and others that have a hostile value in one place."""
    yield raw(GOOD.format(job="good", uuid=UUID, at=0)) + b"\n"
    at = 0
    for value in VALUES.values():
        for name in TAGS:
            at += 1
            tags = {"job": "good", "status": "failed", "reason": "error", name: escaped(value)}
            said = ",".join(f"{key}={text}" for key, text in tags.items())
            yield raw(f'scheduling-job-run,{said} success=0.0,uuid="A{at:011}" 1800000000{at:09}') + b"\n"
        for name in FIELDS:
            at += 1
            fields = {"uuid": f"B{at:011}", name: value.replace("\\", "\\\\").replace('"', r"\"")}
            said = ",".join(f'{key}="{text}"' for key, text in fields.items())
            yield raw(f"scheduling-job-run,job=good,status=failed,reason=error {said} 1800000000{at:09}") + b"\n"


def dead_letters() -> Iterator[bytes]:
    """Yields refused lines below messages: good ones, and with a hostile value in each place."""
    yield b"# 2026-11-29T00:00:00Z good\n" + raw(GOOD.format(job="good", uuid=UUID, at=0)) + b"\n"
    for value in VALUES.values():
        yield b"# 2026-11-29T00:00:00Z " + raw(value) + b"\nm x=1 1\n"
        yield b"# " + raw(value) + b"\n" + raw(value) + b"\n"
        yield raw(f"scheduling-job,job={escaped(value)} x=1 1") + b"\n"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory into which another process has written all of them, also as names of files."""
    root = tmp_path / "state"
    for folder in ("ready", "rejected", "slots/000", "slots/\u00b2"):
        (root / folder).mkdir(parents=True, mode=0o700)
    for path in (root, *root.rglob("*")):
        path.chmod(0o700)
    files = {"ready/local-0.lp": header() + b"".join(rows()), f"ready/{DESTINATION}-0.lp": b"no header\n"}
    files[f"rejected/{DESTINATION}-0.lp"] = header() + b"".join(dead_letters())
    for at, value in enumerate(VALUES.values()):
        files[f"ready/{at:016x}-1.lp"] = header(value) + raw(value) + b"\n"
        files[f"slots/000/{at:016x}-2.lp"] = header(value)
        for folder in ("ready", "rejected", "slots/000", "slots/\u00b2"):
            name = value[:60].replace("\0", "").encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
            files[f"{folder}/{at}{name}-3.lp"] = b"\x1b[31m\n"
    files |= {"slots/000/lock": b"", "slots/\u00b2/lock": b""}
    output = base64.b64encode(raw("\n".join(VALUES.values()))[:60_000]).decode()
    files["ready/local-0.lp"] += f"# output {UUID} 1800000000000000000 stderr {output} .\n".encode()
    for name, content in files.items():
        (root / name).touch(mode=0o600)
        (root / name).write_bytes(content)
    return root


@pytest.fixture
def server() -> Iterator[TinyServer]:
    """A server with a hostile answer to everything."""
    tiny = TinyServer()
    tiny.always = Reply(400, {"Server": "\x1b[31m"}, raw("".join(VALUES.values()))[:100_000])
    yield tiny
    tiny.close()


def said(*words: str, **variables: str) -> str:
    """Runs a command and returns all that it says, which has to be printable and of a bounded length."""
    known = {name: value for name, value in os.environ.items() if not name.startswith(("INFLUXDB_", "OTEL_"))}
    done = subprocess.run(
        [*COMMAND, *words], env={**known, **variables}, capture_output=True, check=False, timeout=100, cwd="/"
    )
    text = (done.stdout + done.stderr).decode()
    assert "Traceback" not in text, text[-2000:]
    lines = text.split("\n")
    assert [line for line in lines if printable(line) != line] == []
    assert max(map(len, lines)) < LONGEST or "--json" in words or "--output" in words
    return text


def test_runs(state: Path) -> None:
    """Rows, names of files, and the output of a command, as a table and as JSON."""
    where = ("--state-dir", str(state))
    shown = said("runs", *where, "--limit", "1000")
    assert "good" in shown
    assert r"\x1b]52" in shown
    assert max(map(len, shown.split("\n"))) < 400
    objects: list[Any] = [json.loads(line) for line in said("runs", *where, "--json", "--limit", "1000").splitlines()]
    assert {"\x1b]52;c;aGVsbG8=\x07", "a\x7f\x08b"} < {each["error_message"] for each in objects}
    assert r"\x1b]52" in said("runs", *where, "--output", UUID)
    said("runs", *where, "--output", UUID, "--json")
    for value in map(VALUES.__getitem__, AS_WORDS):
        word = os.fsdecode(raw(value)[:50_000])
        said("runs", *where, "--output", word)
        said("runs", *where, "--job", word, "--status", "end")
        said("runs", *where, "--since", word, f"--{word}")


def test_rejected(state: Path) -> None:
    """Messages, lines and jobs, as a table, as JSON, and as lines on a terminal."""
    where = ("--state-dir", str(state))
    shown = said("rejected", *where)
    assert r"\x1b]52" in shown
    said("rejected", *where, "--json")
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        process = subprocess.Popen([*COMMAND, "rejected", *where, "--lines"], stdout=theirs, stderr=theirs)
        os.close(theirs)
        seen = b""
        while True:
            try:
                seen += screen.read(65_536)
            except OSError:  # the terminal's other end is closed
                break
        process.wait()
    lines = seen.decode().replace("\r\n", "\n").split("\n")
    assert [line for line in lines if printable(line) != line] == []
    assert any(r"\x1b]52" in line for line in lines)


def test_ship(state: Path, server: TinyServer) -> None:
    """What waits for other destinations, what a server answers, and what is said of files that cannot be used."""
    variables = {"INFLUXDB_URL": server.url, "INFLUXDB_TOKEN": "t", "INFLUXDB_ORG": "o", "INFLUXDB_BUCKET": "b"}
    for words in (["--once"], ["--once", "--redirect"], ["--once", "--redirect", "\x1b[31m"], ["--backfill"]):
        shown = said("ship", *words, "--state-dir", str(state), **variables)
    assert r"\x1b]52" in said("ship", "--once", "--state-dir", str(state), **variables) + shown
    said("rejected", "--retry", "--state-dir", str(state), **variables)
    said("rejected", "--retry", "--from", "\x1b[31m/none", "--state-dir", str(state), **variables)


def test_doctor(state: Path, tmp_path: Path) -> None:
    """Names of variables, labels of segments, names of jobs, what a server answers, and settings."""
    answer = Answer(400, raw("".join(VALUES.values()))[:60_000], {"X-Influxdb-Version": "2\x9b31m", "Server": "\x9b"})
    server = AnsweringServer({"/ping": Answer(204)}, otherwise=answer)
    where = ("--state-dir", str(state))
    said("runs", *where)
    hostile = "\x1b[31m\x9b\u202e"
    variables = {"INFLUXDB_URL": server.url, "INFLUXDB_TOKEN": "t", "INFLUXDB_ORG": "o", "INFLUXDB_BUCKET": "b"}
    variables |= {"OTEL_JOB_MEASURE_QQ": hostile, "INFLUX_TOKN": hostile, f"OTEL_{hostile}": "x"}
    variables |= {"PROJECT_NAME": VALUES["long and hostile"][:50_000]}
    shown = said("doctor", "--all", *where, **variables)
    assert r"\x1b" in shown
    assert "good" in shown
    assert "--redirect 0" not in shown  # such an id is none of this package's
    server.close()
    found = json.loads(said("doctor", "--json", *where, **variables))
    assert {"settings.unused", "state.waiting", "coverage.unexpected"} <= {each["check"] for each in found["findings"]}
    for word in (hostile, os.fsdecode(raw(VALUES["surrogates"]))):
        said("doctor", f"--env-file={word}", "--state-dir", f"{tmp_path}/{word}", OTEL_JOB_MEASURE_MAX_BYTES=word)
        said("doctor", *where, INFLUXDB_BUCKET=word, OTEL_JOB_MEASURE_LINK=word)
        said("doctor", "--timeout", word, f"--{word}")
    refusing = tmp_path / "refusing"
    refusing.write_text("#!/bin/sh\ncat >/dev/null\nprintf '\\033[31m\\302\\233' >&2\nexit 1\n")
    refusing.chmod(0o755)
    where = ("--state-dir", str(tmp_path / "other"))
    told = said("doctor", "--drill", "--notify", f"exec:{refusing}", *where, PROJECT_NAME=hostile)
    assert "was not told" in " ".join(told.split())  # lines end where the path is long


@pytest.mark.timeout(600)  # some dozen processes
@pytest.mark.parametrize("name", AS_WORDS)
def test_words_and_variables(tmp_path: Path, name: str) -> None:
    """Schedules, zones, paths, names of jobs and commands, and settings: in errors too."""
    word, short = (os.fsdecode(raw(VALUES[name])[:most]) for most in (50_000, 60))
    said("expected", "--check", word)
    said("expected", "--json", "--check", "@daily", "--timezone", word)
    place = {"OTEL_JOB_MEASURE_STATE_DIR": f"/dev/null/{short}", "HOME": str(tmp_path / short)}
    for words in (["runs"], ["exec", word, "--", short]):
        assert "\\" in said(*words, **place)
        said(words[0], f"--env-file={short}", *words[1:])
    said("demo", **place)
    said("runs", OTEL_JOB_MEASURE_MAX_BYTES=word)
    server = {"INFLUXDB_URL": f"http://127.0.0.1:1/{word}", "INFLUXDB_TOKEN": "t", "INFLUXDB_ORG": word}
    said("ship", "--once", **server, INFLUXDB_BUCKET=word, OTEL_JOB_MEASURE_STATE_DIR=str(tmp_path / "state"))
