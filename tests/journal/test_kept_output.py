"""The comment that carries the end of a command's output."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_job_measure.delivery.lines import count_points, points_of
from otel_job_measure.journal.kept_output import MOST_BYTES, STREAMS, KeptOutput, decode, encode
from otel_job_measure.journal.recovery import Runs


@given(data=st.binary(max_size=300), stream=st.sampled_from(STREAMS), end_ns=st.integers(0, 2**63 - 1))
def test_what_was_written_is_read(data: bytes, stream: str, end_ns: int) -> None:
    """Whatever the bytes are, and the comment is one line that no server gets and no recovery pass takes for a time."""
    kept = KeptOutput("aBc123", end_ns, stream, data)
    line = encode(kept)
    assert decode(line.decode().removesuffix("\n")) == kept
    assert line.count(b"\n") == 1
    assert list(points_of([line])) == []
    assert count_points(line) == 0
    runs = Runs(0)
    runs.note(line.removesuffix(b"\n"))
    assert runs.greatest_ns == 0


def test_the_greatest_output_fits() -> None:
    """As much as `exec` keeps at most can be read again; more cannot."""
    for count, fits in ((MOST_BYTES, True), (MOST_BYTES + 1, False)):
        line = encode(KeptOutput("u", 1, "stderr", bytes(count))).decode().removesuffix("\n")
        assert (decode(line) is not None) == fits


@pytest.mark.parametrize(
    "rest",
    [
        *("", "u", "u 1 stdout", "u 1 stdout YQ==", "u 1 stdout YQ== ;", "u 1 stdout YQ== . .", " 1 stdout YQ== ."),
        *("u x stdout YQ== .", "u -1 stdout YQ== .", "u 9223372036854775808 stdout YQ== .", "u ² stdout YQ== ."),
        *("u 1 stdin YQ== .", "u 1 stdout Y .", "u 1 stdout Y\u00ff== .", "u 1 stdout YQ==YQ== ."),
        *(f"{'u' * 65} 1 stdout YQ== .", f"u {'1' * 5000} stdout YQ== ."),
    ],
)
def test_another_comment_is_none(rest: str) -> None:
    """What this package did not write is left out."""
    assert decode(f"# output {rest}") is None
