"""The nearest thing that InfluxDB can hold."""

import logging
import re

import pytest
from hypothesis import given

from otel_job_measure.points import text
from otel_job_measure.points.text import clean_field, clean_tag
from tests.points.texts import TEXTS


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets each test hear the warnings that are given once."""
    monkeypatch.setattr(text._once, "_last_ns", dict[str, int]())


@pytest.mark.parametrize(
    ("given_text", "field", "tag"),
    [
        ("nightly", "nightly", "nightly"),
        ("", "", ""),
        ("a b,c=d\"e'f\tg", "a b,c=d\"e'f\tg", "a b,c=d\"e'f\\tg"),
        ("a\nb\r\n\0", r"a\nb\r\n\0", r"a\nb\r\n\0"),
        ("a\\", "a\\", "a/"),
        ("a\\\\", "a\\\\", "a//"),
        (r"C:\jobs\nightly", r"C:\jobs\nightly", r"C:\jobs\nightly"),
        (r"a\ b\,c\=d\\e", r"a\ b\,c\=d\\e", r"a/ b/,c/=d/\e"),
        ("\\", "\\", "/"),
        ("\ud83d\ude80 \udcff!\ud800", "🚀 \ufffd!\ufffd", "🚀 \ufffd!\ufffd"),
        ("x" * 1025, "x" * 1024, "x" * 1024),
        ("é" * 513, "é" * 512, "é" * 512),
        ("x" * 1023 + "é", "x" * 1023, "x" * 1023),
        ("x" * 1023 + "\n", "x" * 1023 + "\\", "x" * 1023 + "/"),
    ],
)
def test_what_does_not_fit_becomes_something_near(given_text: str, field: str, tag: str) -> None:
    """Each kind of change, for fields and tags."""
    assert clean_field(given_text) == field
    assert clean_tag(given_text) == tag


@given(given_text=TEXTS)
def test_clean_text_is_valid_short_and_on_one_line(given_text: str) -> None:
    """Whatever was given, InfluxDB can hold what comes out."""
    field, tag = clean_field(given_text), clean_tag(given_text)
    for clean in (field, tag):
        assert len(clean.encode()) <= text.MAX_BYTES
        assert not set(clean) & set("\n\r\0")
        assert bool(clean) == bool(given_text)
    assert "\t" not in tag
    assert not re.search(r"\\[\\ ,=]|\\\Z", tag)


@given(given_text=TEXTS)
def test_clean_text_stays_as_it_is(given_text: str) -> None:
    """A text that was cleaned once is not changed again: rows can be read and written again."""
    field, tag = clean_field(given_text), clean_tag(given_text)
    assert clean_field(field) == field
    assert clean_tag(tag) == tag
    assert clean_field(tag) == tag


def test_each_kind_of_change_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """One warning for a kind, with the first text that it befell; none for a clean text."""
    clean_tag(r"clean, = C:\text")
    assert not caplog.records
    for _ in range(3):
        clean_field("two\nlines")
        clean_field("\udcff")
        clean_field("x" * 2000)
        clean_tag("end\\")
        clean_tag("tab\t")
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 5
    assert all(record.name.startswith("otel_job_measure.") for record in caplog.records)
    assert r"'two\nlines'" in caplog.messages[0]
    assert "(2000 characters)" in caplog.messages[2]
    assert len(caplog.messages[2]) < 200


def test_a_text_of_any_length_costs_no_more_than_its_beginning() -> None:
    """A name of 100 MB is cut before anything else is done to it."""
    assert clean_tag("\n" * 100_000_000) == r"\n" * 512
