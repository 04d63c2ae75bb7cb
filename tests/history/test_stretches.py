"""Cutting chunks into transactions: whole lines, nothing lost, and as many as fit."""

from hypothesis import given
from hypothesis import strategies as st

from otel_job_measure.history.ingest import BESIDE_JOBS, FIRST_BYTES, LEAST_BYTES, next_room, stretches
from tests.history.support import chunk

_LINES = st.lists(st.binary(max_size=40).map(lambda text: text.replace(b"\n", b"") + b"\n"), max_size=30)
_MS = 1_000_000


@given(contents=st.lists(_LINES, max_size=5), room=st.integers(1, 200), folded=st.integers(0, 5))
def test_stretches_are_the_chunks_without_what_is_folded(contents: list[list[bytes]], room: int, folded: int) -> None:
    """Put together again, the stretches of each segment are its lines from the position on, cut at line ends."""
    datas = [b"".join(lines) for lines in contents]
    positions = {str(number): len(b"".join(lines[:folded])) for number, lines in enumerate(contents)}
    batches = list(stretches([chunk(data, str(number)) for number, data in enumerate(datas)], positions, lambda: room))
    longest = max((len(line) for lines in contents for line in lines), default=0)
    for batch in batches:
        assert 0 < sum(len(stretch.data) for stretch in batch) < room + longest
        assert all(stretch.data.endswith(b"\n") for stretch in batch)
    for number, data in enumerate(datas):
        ours = [stretch for batch in batches for stretch in batch if stretch.segment == str(number)]
        assert b"".join(stretch.data for stretch in ours) == data[positions[str(number)] :]
        ends = [positions[str(number)], *(stretch.end for stretch in ours)]
        assert [stretch.begin for stretch in ours] == ends[:-1]


def test_small_chunks_share_a_transaction() -> None:
    """Thousands of segments of one run each don't take thousands of transactions."""
    chunks = [chunk(b"x" * 99 + b"\n", str(number)) for number in range(1000)]
    assert len(list(stretches(chunks, {}, lambda: 10_000))) == 10


def test_a_slow_transaction_makes_the_next_one_smaller() -> None:
    """What took too long is cut in proportion, but never to nothing, and never more than to a quarter."""
    assert next_room(BESIDE_JOBS, 400_000, 400_000, 14 * _MS) == 200_000
    assert next_room(BESIDE_JOBS, 400_000, 400_000, 10_000 * _MS) == 100_000
    assert next_room(BESIDE_JOBS, LEAST_BYTES, LEAST_BYTES, 10_000 * _MS) == LEAST_BYTES


def test_a_fast_transaction_makes_the_next_one_larger() -> None:
    """Up to twice as large at once, and never above the bound."""
    assert next_room(BESIDE_JOBS, FIRST_BYTES, FIRST_BYTES, 1 * _MS) == 2 * FIRST_BYTES
    assert next_room(BESIDE_JOBS, 400_000, 400_000, 5 * _MS) == 560_000
    assert next_room(BESIDE_JOBS, BESIDE_JOBS.most_bytes, BESIDE_JOBS.most_bytes, 1 * _MS) == BESIDE_JOBS.most_bytes


def test_a_small_transaction_says_nothing_of_a_large_one() -> None:
    """A few bytes that take their time as a few bytes do change nothing, unless they take too long."""
    assert next_room(BESIDE_JOBS, 400_000, 300, 1 * _MS) == 400_000
    assert next_room(BESIDE_JOBS, 400_000, 300, 50 * _MS) == 100_000
