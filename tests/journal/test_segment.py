"""Segments in `ready/`: a small one is read at once, and says the same as one that is read chunk by chunk."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_job_measure.errors import LineProtocolError
from otel_job_measure.journal.interfaces import SegmentHeader
from otel_job_measure.journal.segment import SegmentFile, decode_header, encode_header
from tests.journal.test_maintenance import HEADER

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.just(
    'a,"slot":1,"ordinal":2,"created":3,b'
)


def left_in(folder: Path, lines: bytes) -> Path:
    """Leaves a segment."""
    path = folder / "left-1.lp"
    path.write_bytes(encode_header(HEADER) + lines)
    return path


@given(
    st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"") + b"\n"), max_size=5),
    st.integers(1, 400),
)
def test_a_small_segment_gives_what_its_file_gives(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], limit: int
) -> None:
    """Line by line or all at once, and never the line that was being written."""
    path = left_in(tmp_path_factory.mktemp("ready"), b"".join(lines) + b"torn")
    small, file = SegmentFile.open(path, is_closed=True), SegmentFile.open(path)
    assert small.content is not None
    assert file.content is None
    assert (small.name, small.header, small.size()) == (file.name, file.header, file.size())
    read = b""
    while chunk := small.read(len(read), limit):
        assert chunk.endswith(b"\n")
        assert len(chunk) <= limit or chunk.count(b"\n") == 1
        read += chunk
    assert read == file.read(0, file.size())


def test_a_large_segment_is_not_kept_in_memory(tmp_path: Path) -> None:
    """What is read of it is read when it is sent."""
    path = left_in(tmp_path, b"x" * 5000 + b"\n")
    assert SegmentFile.open(path, is_closed=True).content is None


def test_a_small_segment_is_gone_once_it_is_deleted(tmp_path: Path) -> None:
    """It has no size then, nothing to read, and can be deleted again."""
    path = left_in(tmp_path, b"line\n")
    segment = SegmentFile.open(path, is_closed=True)
    segment.delete()
    segment.delete()
    assert not path.exists()
    assert (segment.size(), segment.read(0, 100)) == (0, b"")


@given(_TEXTS, _TEXTS, st.integers(0, 999), st.integers(0, 10**18), st.integers(-(10**18), 8 * 10**18))
def test_a_header_says_what_was_put_in(host: str, label: str, slot: int, ordinal: int, created_ns: int) -> None:
    """Whatever texts, and numbers of a journal."""
    header = SegmentHeader(
        HEADER.identity._replace(host=host, label=label), slot=slot, ordinal=ordinal, created_ns=created_ns
    )
    assert decode_header(encode_header(header)) == header
    plain = header._replace(slot=abs(slot) % 1000, ordinal=7, created_ns=1_800_000_000_000_000_000)
    assert decode_header(encode_header(plain)) == plain


@pytest.mark.parametrize("wrong", [{"slot": 1000}, {"slot": -1}, {"ordinal": -1}, {"created_ns": 10**19}])
def test_a_number_that_no_journal_has_is_refused(wrong: dict[str, Any]) -> None:
    """Times of lost runs are computed from these, and no server takes one of more than 64 bits."""
    with pytest.raises(LineProtocolError, match="not the header"):
        decode_header(encode_header(HEADER._replace(**wrong)))


def test_a_long_host_is_cut() -> None:
    """The history has it in each run of the segment."""
    header = HEADER._replace(identity=HEADER.identity._replace(host="h" * 1_000_000))
    assert len(decode_header(encode_header(header)).identity.host) == 1024


def test_a_bad_header_is_quoted_as_it_is() -> None:
    """With its own numbers, so that a person can find it."""
    line = b'# otel-job-measure {"slot":12,"ordinal":3,"created":4,"format":9}\n'
    with pytest.raises(LineProtocolError, match='"slot":12'):
        decode_header(line)
