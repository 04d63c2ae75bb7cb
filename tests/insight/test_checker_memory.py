from pathlib import Path

import pytest

from otel_job_measure.insight import checker_memory
from otel_job_measure.insight.absence import Span
from otel_job_measure.insight.checker_memory import FILE, Remembered

from .made import DAY, at, judgement, names_of, opened, sender, server


def _span(from_s: float, until_s: float) -> Span:
    return Span(at(from_s), at(until_s))


def test_looks_that_fail_make_one_gap_up_to_the_look_that_succeeds() -> None:
    """The store was away from the last good look on."""
    known = Remembered(looked_ns=at(0))
    for now in (60, 120, 180):
        known = known.after_failure(at(now))
    assert known.gaps == (_span(0, 180),)
    assert known.gaps_at(at(240)) == (_span(0, 240),)
    known = known.after_look(server(240, sender("a", 235)))
    assert (known.looked_ns, known.gaps) == (at(240), (_span(0, 240),))
    assert known.after_look(server(300, sender("a", 295))).gaps_at(at(360)) == (_span(0, 240),)


def test_a_store_that_answers_and_hears_of_no_host_is_a_gap_too() -> None:
    """It ends with the first look at which a host is heard again."""
    known = Remembered(looked_ns=at(240)).after_look(server(300, sender("a", 60), sender("b", 70)))
    assert known.gaps == (_span(70, 300),)
    assert known.gaps_at(at(360)) == (_span(70, 360),)
    known = known.after_look(server(360, sender("a", 350), sender("b", 70)))
    assert known.gaps_at(at(420)) == (_span(70, 360),)


def test_a_long_time_without_a_look_is_a_gap_for_some_minutes() -> None:
    """All due times of it are judged then; a dead host holds them up no longer."""
    known = Remembered(looked_ns=at(0))
    assert known.gaps_at(at(600)) == ()
    assert known.gaps_at(at(DAY)) == (_span(0, DAY),)
    known = known.after_look(server(DAY, sender("a", DAY - 5)))
    assert known.gaps_at(at(DAY + 600)) == (_span(0, DAY),)
    assert known.after_look(server(DAY + 590, sender("a", DAY + 585))).gaps_at(at(DAY + 650)) == ()


def test_after_a_short_outage_no_run_is_silent_whose_host_comes_back_last() -> None:
    """The server was away for two and a half minutes; one host speaks a minute before the run's own."""
    known, found = Remembered(looked_ns=at(0)), set[str]()
    words = {60: (0, 0), 120: (0, 0), 180: (0, 0), 240: (0, 180), 300: (240, 240), 360: (300, 300)}
    for now, (own_s, other_s) in words.items():
        senders = (sender("a", own_s), sender("b", other_s))
        evidence = server(now, *senders, gaps=known.gaps_at(at(now)))
        each = opened(-300, alive=1 if now < 300 else now - 50)
        found |= {*names_of(judgement(evidence, None, each.run, open_runs=(each,)))}
        assert not evidence.is_gone("a")
        known = known.after_look(evidence)
    assert found == {"running"}
    assert known.gaps == (_span(0, 240),)


def test_what_is_old_is_forgotten() -> None:
    """Gaps are kept for eight days, clocks too."""
    known = Remembered(looked_ns=at(0), gaps=(_span(-5, -2),), ahead={"x": _span(-9, -8)})
    known = known.after_failure(at(9 * DAY)).after_look(server(9 * DAY + 60, sender("a", 9 * DAY)))
    assert known.gaps == (_span(0, 9 * DAY + 60),)
    assert known.ahead == {}


def test_it_is_kept_in_a_private_file(tmp_path: Path) -> None:
    """Another look reads what the last one wrote."""
    folder = tmp_path / "state"
    known = Remembered(looked_ns=1, gaps=(Span(2, 3),), is_open=True, away=Span(4, 5), ahead={"a": Span(6, 7)})
    checker_memory.write(folder, known)
    assert checker_memory.read(folder) == known
    assert (folder / FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.iterdir()] == [FILE]


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"looked_ns": 1}', '{"looked_ns": "x"}', "[" * 9999])
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, content: str) -> None:
    """A look goes on without it."""
    (tmp_path / FILE).write_text(content)
    assert checker_memory.read(tmp_path) == Remembered()


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    """A user who only looks remembers nothing."""
    (tmp_path / "file").write_text("")
    checker_memory.write(tmp_path / "file" / "state", Remembered())
    assert checker_memory.read(tmp_path / "file" / "state") == Remembered()


def test_a_store_that_never_answered_is_one_gap_too() -> None:
    """After an hour of failed looks nothing has been known for so long."""
    remembered = Remembered()
    for minute in range(60):
        remembered = remembered.after_failure(at(minute * 60))
        assert remembered.unanswered(at(minute * 60)) is None
    remembered = remembered.after_failure(at(3600))
    assert remembered.gaps == (Span(at(0), at(3600)),)
    found = remembered.unanswered(at(3600))
    assert found is not None
    assert (found.name, found.since_ns) == ("unknown", at(0))
    answered = remembered.after_look(server(3660, sender("a", 3650), sender("b", 3650)))
    assert answered.unanswered(at(9000)) is None
