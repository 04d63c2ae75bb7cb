"""Whatever others write, the package reads it or refuses it in the way that it says.

`make fuzz` tries many more examples; `FUZZ_EXAMPLES` is their number for each test.
"""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from otel_job_measure.delivery.checkpoints import FileCheckpoints
from otel_job_measure.delivery.influxdb.responses import Response, Verdict, judge
from otel_job_measure.delivery.lines import count_points, first_point, points_of
from otel_job_measure.errors import LineProtocolError
from otel_job_measure.history.row_parser import LineReader
from otel_job_measure.history.run_record import Batch
from otel_job_measure.points.line_protocol import Point, encode, parse
from otel_job_measure.settings import parse_env_file
from otel_job_measure.settings.destination import parse_headers
from otel_job_measure.settings.secret import mask
from tests.fuzz.examples import JSONS, LINES, fuzzed


@given(LINES)
@fuzzed
@example(b"m x=" + b"1" * 20_000 + b"x")
def test_segments(data: bytes) -> None:
    """Lines are points or refused; a point that was read can be written, and is the same."""
    points = points_of([data])
    assert count_points(points.body) == len(points)
    first_point(data)
    LineReader().read(data, Batch())
    for line in data.split(b"\n"):
        point: Point | None = None
        with contextlib.suppress(LineProtocolError):
            point = parse(line)
        if point is not None:
            with contextlib.suppress(LineProtocolError):  # not all that InfluxDB reads can be written for all versions
                assert parse(encode(point)) == point


@given(LINES)
@fuzzed
def test_env_files(tmp_path: Path, data: bytes) -> None:
    """Names are names of variables; values have no NUL, which no variable can hold."""
    file = tmp_path / "env"
    file.write_bytes(data)
    for name, value in parse_env_file(file).items():
        assert name.isidentifier()
        assert "\0" not in value


@given(
    st.integers(100, 599),
    st.dictionaries(st.sampled_from(["retry-after", "date", "location", "content-type"]), st.text(max_size=40)),
    st.one_of(st.binary(max_size=400), st.text(max_size=200).map(lambda text: json.dumps({"message": text}).encode())),
)
@fuzzed
@example(400, {}, b"unable to parse '" + b"': " * 60_000)
@example(400, {}, b"<" * 60_000)
@example(503, {"retry-after": "9" * 5000, "date": "\u0663"}, b"[" * 60_000)
def test_answers_of_a_server(status: int, headers: dict[str, str], body: bytes) -> None:
    """Each answer has a meaning, in one line that a terminal can show."""
    verdict = judge(Response(status=status, headers=headers, body=body), now_s=1.8e9)
    assert isinstance(verdict, Verdict)
    assert verdict.message.isprintable()
    assert verdict.wait_s is None or verdict.wait_s > 0


@given(st.one_of(JSONS.map(lambda value: json.dumps(value).encode()), st.binary(max_size=60)))
@fuzzed
@example(b"[" * 100_000)
@example(b'{"format": 1, "destinations": {"d": {"s": ' + b"9" * 5000 + b"}}}")
def test_committed_offsets(tmp_path: Path, data: bytes) -> None:
    """A file that is none is as good as an empty one; an offset that was committed is there."""
    file = tmp_path / "shipped.json"
    file.write_bytes(data)
    FileCheckpoints(file, "d").advance({"s": 7})
    assert FileCheckpoints(file, "d").offset("s", lambda _: 0) == 7


@given(st.text(st.sampled_from("ab=,%20 \n\0:-é"), max_size=40))
@fuzzed
def test_headers(text: str) -> None:
    """A header has a name, and a value on one line."""
    for name, value in (parse_headers(text) or {}).items():
        assert name
        assert value.isascii()
        assert "\n" not in value


@given(
    st.text(st.characters(codec="ascii"), min_size=8, max_size=40),
    st.text(max_size=40),
    st.text(max_size=40),
    st.data(),
)
@fuzzed
def test_no_eight_characters_of_a_secret_are_left(secret: str, before: str, after: str, data: st.DataObject) -> None:
    """Wherever it is cut, and whatever is around it."""
    cut = secret[data.draw(st.integers(0, len(secret) - 8)) :]
    shown = mask(before + cut + after, [secret])
    assert "***" in shown
    assert all(part not in shown for part in (secret[at : at + 8] for at in range(len(secret) - 7)) if "*" not in part)


@pytest.mark.parametrize("file", sorted((Path(__file__).parent / "corpus").iterdir()), ids=lambda file: file.name)
def test_the_corpus(file: Path, tmp_path: Path) -> None:
    """What was once a mistake stays tried."""
    data = file.read_bytes()
    test_segments.hypothesis.inner_test(data)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    copy = tmp_path / "copy"
    copy.write_bytes(data)
    parse_env_file(copy)
    judge(Response(status=400, body=data), now_s=0)
