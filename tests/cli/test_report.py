"""`report`: each form on stdout or in a file, from the command line."""

import csv
import email
import email.policy
import io
import json
import os
import time
from pathlib import Path
from typing import Final

import pytest

from otel_job_measure.cli import main
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.journal.interfaces import Chunk
from tests.history.support import history_in
from tests.insight.contract import FAILED, whole

SECOND: Final = 10**9
HOUR: Final = 3600 * SECOND
GOOD: Final = JobId("good", "billing", "production")
BAD: Final = JobId("bad", "billing", "production")


@pytest.fixture
def filled(state_dir: Path) -> Path:
    """A history of ten runs of two jobs: `bad` fails in the last day."""
    now_ns = time.time_ns()
    data = b"".join(whole(f"g{n}", now_ns - n * 10 * HOUR, GOOD, took_s=2.0) for n in range(1, 5))
    data += b"".join(whole(f"o{n}", now_ns - (24 + n) * HOUR, BAD, took_s=2.0) for n in range(1, 4))
    data += b"".join(whole(f"b{n}", now_ns - n * HOUR, BAD, outcome=FAILED) for n in range(1, 4))
    state_dir.mkdir(mode=0o700, exist_ok=True)
    history_in(state_dir, None, retention_s=1e10).fold([Chunk(segment="local-1.lp", offset=0, data=data, host="web-1")])
    return state_dir


@pytest.mark.usefixtures("filled")
def test_people_read_first_what_changed(capsys: pytest.CaptureFixture[str]) -> None:
    """The text has the sections in their order, and no line is wider than 80 columns."""
    assert main(["report", "--since", "1d"]) == 0
    shown = capsys.readouterr().out
    places = [shown.index(heading) for heading in ("What changed", "Not ok now", "Failures", "All jobs")]
    assert places == sorted(places)
    assert "  bad (billing, production): 3 of 3 runs failed; 0 of 3 runs before" in shown
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("since", ["99999d", "1600-01-01"])
def test_a_period_may_begin_before_all_times(since: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The period before would begin before the first time that a store can be asked for."""
    assert main(["report", "--since", since, "--json"]) == 0
    assert [(job["job"], job["runs"]) for job in json.loads(capsys.readouterr().out)["jobs"]] == [
        ("bad", 6),
        ("good", 4),
    ]


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(("retention", "days"), [("30d", 15), ("365d", 30)])
def test_the_period_without_since_depends_on_what_is_kept(
    retention: str, days: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half of the history's retention, so that there is a time before to compare with."""
    monkeypatch.setenv("OTEL_JOB_MEASURE_RETENTION", retention)
    assert main(["report", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["at_ns"] - found["since_ns"] == days * 24 * HOUR
    assert found["since_ns"] - found["before_ns"] == days * 24 * HOUR
    assert found["kept_ns"] is None


@pytest.mark.usefixtures("filled")
def test_each_form_has_the_same_jobs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """CSV, JSON, Markdown, page and mail."""

    def printed(*words: str) -> str:
        assert main(["report", "--since", "1d", *words]) == 0
        return capsys.readouterr().out

    rows = list(csv.DictReader(io.StringIO(printed("--csv"))))
    jobs = json.loads(printed("--json"))["jobs"]
    assert [(row["job"], int(row["runs"]), int(row["failed"])) for row in rows] == [("bad", 3, 3), ("good", 2, 0)]
    assert [(job["job"], job["runs"], job["failed"]) for job in jobs] == [("bad", 3, 3), ("good", 2, 0)]
    assert "| failing | bad \\(billing, production\\) | 3 | 3 | 0.0 % |" in printed("--markdown")
    page = tmp_path / "report.html"
    assert printed("--html", str(page)) == ""
    assert ">bad (billing, production)</th><td class=n>3</td><td class=n>3</td>" in page.read_text()
    assert printed("--html", "-").startswith("<!doctype html>")
    mail = email.message_from_string(
        printed("--mail", "ops@example.com", "dev@example.com"), policy=email.policy.default
    )
    assert mail["To"] == "ops@example.com, dev@example.com"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert email.message_from_string(printed("--mail"))["To"] is None
    assert "\nTo: ops@xn--exmple-cua.com\n" in printed("--mail", "ops@ex\xe4mple.com")


@pytest.mark.usefixtures("filled")
def test_a_file_that_cannot_be_written_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """One line says which; the former file stays as it was, and nothing else is left there."""
    page = tmp_path / "folder"
    page.mkdir()
    assert main(["report", "--html", str(page)]) == 1
    assert capsys.readouterr().err == f"otel-job-measure: {page} cannot be written: Is a directory\n"
    assert main(["report", "--html", str(tmp_path / "no" / "file")]) == 1
    assert "cannot be written: No such file or directory" in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []


@pytest.mark.usefixtures("filled")
def test_a_link_and_a_pipe_stay_what_they_are(tmp_path: Path) -> None:
    """The page is written where a link leads and into a pipe; root's `--html /dev/null` does not replace the device."""
    page, link, pipe = tmp_path / "page.html", tmp_path / "link.html", tmp_path / "pipe"
    link.symlink_to(page)
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert main(["report", "--html", str(link)]) == 0
    assert main(["report", "--job", "nothing", "--html", str(pipe)]) == 0
    assert (link.readlink(), page.read_text()[:15]) == (page, "<!doctype html>")
    assert pipe.is_fifo()
    assert os.read(reader, 15) == b"<!doctype html>"
    os.close(reader)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--mail", "ops"), "'ops' is no mail address; it takes one like ops@example.com"),
        *(
            (("--mail", each), f"{each!a} is no mail address; it takes one like ops@example.com")
            for each in ("ops@.com", "@a@", ".@b", "\xf6@example.com", "a@b\nBcc: c@d.e", f"a@{'b' * 64}.com")
        ),
        (("--since", "2100-01-01"), "it takes a time before now"),
        (("--since", "soon"), "'soon' is not a time"),
        (("--csv", "--json"), "--csv and --json exclude each other"),
    ],
)
def test_wrong_options_are_named(words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The message says what was wrong and what it takes."""
    with pytest.raises(SystemExit):
        main(["report", *words])
    assert said in capsys.readouterr().err


@pytest.mark.usefixtures("state_dir")
def test_without_any_run_it_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """An empty history is a report too."""
    assert main(["report"]) == 0
    assert "No job ran, and none before. No job is known." in capsys.readouterr().out
    assert main(["report", "--html", str(tmp_path / "x.html")]) == 0
