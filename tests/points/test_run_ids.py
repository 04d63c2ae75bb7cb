"""Ids of runs."""

import random

import shortuuid
import shortuuid.main
from hypothesis import given
from hypothesis import strategies as st

from otel_job_measure.points.run_ids import new_run_id, run_id_of_span

ALPHABET = shortuuid.get_alphabet()
SPAN_IDS = st.integers(0, 2**64 - 1)


def test_ids_are_12_characters_of_shortuuids_alphabet() -> None:
    """As the rows have always had them."""
    for _ in range(1000):
        run_id = new_run_id()
        assert len(run_id) == 12
        assert set(run_id) <= set(ALPHABET)


def test_ids_differ_although_the_job_seeds_random() -> None:
    """They come from the system's randomness: 10,000 under the same seed are 10,000."""
    drawn: set[str] = set()
    for _ in range(10_000):
        random.seed(42)
        drawn.add(new_run_id())
    assert len(drawn) == 10_000


def test_every_place_of_an_id_varies() -> None:
    """All 57 characters are seen in each of the 12 places."""
    drawn = [new_run_id() for _ in range(3000)]
    assert [len({run_id[place] for run_id in drawn}) for place in range(12)] == [57] * 12


@given(span_id=SPAN_IDS)
def test_a_spans_id_is_written_as_shortuuid_writes_it(span_id: int) -> None:
    """The very same digits, so that shortuuid itself can read them back."""
    written = run_id_of_span(span_id)
    assert written == shortuuid.main.int_to_string(span_id, list(ALPHABET), padding=12)
    assert shortuuid.main.string_to_int(written, list(ALPHABET)) == span_id
