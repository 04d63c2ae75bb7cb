"""Ids of runs."""

import random

import shortuuid
from hypothesis import given
from hypothesis import strategies as st

from otel_job_measure.points import new_run_id, run_id_of_span, runids

SPAN_IDS = st.integers(0, 2**64 - 1)


def test_ids_are_12_characters_of_shortuuids_alphabet() -> None:
    """As the rows have always had them."""
    assert shortuuid.get_alphabet() == runids.ALPHABET
    for _ in range(1000):
        run_id = new_run_id()
        assert len(run_id) == 12
        assert set(run_id) <= set(runids.ALPHABET)


def test_ids_differ_although_the_job_seeds_random() -> None:
    """They come from the system's randomness: 10,000 under the same seed are 10,000."""
    drawn: set[str] = set()
    for _ in range(10_000):
        random.seed(42)
        drawn.add(new_run_id())
    assert len(drawn) == 10_000


def test_every_place_of_an_id_varies() -> None:
    """64 bits of randomness reach every place; of the first one only few characters, since 57 ** 12 is more."""
    drawn = [new_run_id() for _ in range(5000)]
    characters = [len({run_id[place] for run_id in drawn}) for place in range(12)]
    assert characters[0] == 2
    assert characters[1:] == [57] * 11


@given(span_id=SPAN_IDS)
def test_a_spans_id_is_written_as_shortuuid_writes_it(span_id: int) -> None:
    """The very same digits, so that shortuuid itself can read them back."""
    written = run_id_of_span(span_id)
    assert written == shortuuid.int_to_string(span_id, list(runids.ALPHABET), padding=12)
    assert shortuuid.string_to_int(written, list(runids.ALPHABET)) == span_id
