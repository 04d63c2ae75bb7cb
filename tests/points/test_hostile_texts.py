"""Texts that are made to hold something up, or to look like something else."""

from collections.abc import Callable

import pytest

from otel_job_measure.errors import LineProtocolError
from otel_job_measure.points.line_protocol import parse
from otel_job_measure.points.text import clean_field, clean_tag, valid
from otel_job_measure.printable import in_lines, printable

HUGE = 4_000_000


@pytest.mark.parametrize("clean", [clean_field, clean_tag, valid])
@pytest.mark.parametrize("char", ["\ud800", "\udc00\ud800", "\0", "\n", "\t", "\\", "ü", "\U0001f600", "a"])
def test_a_huge_text_is_cut_before_it_is_cleaned(clean: Callable[[str], str], char: str) -> None:
    """What is kept depends on the beginning alone, and so does the time that it takes."""
    beginning = char * 65_536
    assert clean(char * HUGE) == clean(beginning)
    assert len(clean(beginning)) <= 65_536


@pytest.mark.parametrize("value", ["1" * 20_000 + "x", "." * 20_000, "1" * 5_000 + "i", "1" * 20_000 + "u"])
def test_a_number_without_an_end_is_no_line(value: str) -> None:
    """It is refused as every other wrong line is."""
    with pytest.raises(LineProtocolError):
        parse(f"m x={value}".encode())


@pytest.mark.parametrize(
    "char",
    [
        *("\x1b]52;c;eA==\a", "\x1b[2J", "\x9b31m", "\x85", "\r", "\n", "\b", "\x7f", "\0"),
        *("\u202e", "\u2066", "\u200b", "\u200d", "\ufeff", "\u2028", "\u034f", "\u3164", "\ufe0f"),
        *("\U000e0041", "\U000e0100", "\ud800", "\xad", "\xa0", "\ue000"),
    ],
)
def test_what_a_terminal_acts_on_or_hides_is_escaped(char: str) -> None:
    """Control characters of both sets, changes of direction, and what has no width or no picture."""
    shown = printable(f"a{char}b")
    assert shown.isprintable()
    assert shown.startswith("a\\")
    assert shown.isascii()


def test_letters_of_every_script_stay() -> None:
    """A name is readable; several lines stay several."""
    assert printable("ü é 報 ع 😀 a-b_c") == "ü é 報 ع 😀 a-b_c"
    assert in_lines("a\nb\x1b") == "a\nb\\x1b"
