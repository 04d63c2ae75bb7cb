"""`otel-job-measure expected --check` tells when a schedule is due."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from otel_job_measure.cli import main
from otel_job_measure.expectations.local_zone import local_zone


def test_a_schedule_is_shown_in_words_with_its_next_due_times(capsys: pytest.CaptureFixture[str]) -> None:
    """Each due time stands there in the schedule's zone and in UTC, the next one first."""
    assert main(["expected", "--check", "5 2 * * MON", "--timezone", "Asia/Kolkata", "--count", "3"]) == 0
    words, grace, *dues = capsys.readouterr().out.splitlines()
    assert words == "At 02:05 on Monday (cron, Asia/Kolkata)"
    assert grace == "A run may start up to 60 min late by default."
    assert {(due[:3], due[15:29], due[-12:]) for due in dues} == {("Mon", "02:05:00 +0530", "20:35:00 UTC")}
    assert dues == sorted(dues, key=lambda due: due[4:])


def test_programs_get_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The object has the schedule as it was read and its next due times in UTC."""
    before = datetime.now(UTC)
    assert main(["expected", "--check", "0 3 * * 0", "--timezone", "UTC", "--dialect", "apscheduler", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    dues = [datetime.fromisoformat(due) for due in found.pop("due")]
    assert found == {
        "schedule": "0 3 * * 0",
        "dialect": "apscheduler",
        "timezone": "UTC",
        "words": "0 3 * * 0",
        "grace_s": 3600.0,
    }
    assert dues == [dues[0] + week * timedelta(days=7) for week in range(10)]
    assert dues[0].strftime("%a %H:%M") == "Mon 03:00"
    assert before < dues[0] <= datetime.now(UTC) + timedelta(days=7)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--check", "61 * * * *"], "Bad minute"),
        (["--check", "5 2 * * *", "--timezone", "Mars/Base"], "'Mars/Base' is unknown"),
        (["--check", ""], "one line of at most 1024 printable characters"),
    ],
)
def test_a_wrong_schedule_is_one_line(words: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The line says what was wrong; the exit code is 1."""
    assert main(["expected", *words]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert len(shown.err.splitlines()) == 1
    assert why in shown.err


@pytest.mark.parametrize("count", ["0", "x", "1001", "9" * 5000, "-1", "²"])
def test_a_wrong_count_is_refused(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The message says what it takes."""
    with pytest.raises(SystemExit) as exit_:
        main(["expected", "--check", "@daily", f"--count={count}"])
    assert exit_.value.code == 2
    assert "is not a number from 1 to 1000" in capsys.readouterr().err


def test_the_zone_of_the_machine_is_known_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TZ counts first, then the link /etc/localtime; an unknown zone counts as UTC."""
    link = tmp_path / "localtime"
    link.symlink_to("/usr/share/zoneinfo/Europe/Riga")
    monkeypatch.setenv("TZ", ":America/New_York")
    assert local_zone(link) == "America/New_York"
    monkeypatch.setenv("TZ", "CET-1CEST")
    assert local_zone(link) == "Europe/Riga"
    link.unlink()
    link.write_bytes(b"TZif2")
    assert local_zone(link) == "UTC"
