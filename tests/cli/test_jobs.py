"""`jobs`: what people and programs see of all jobs."""

import io
import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

import pytest
from rich.cells import cell_len
from rich.console import Console

from otel_job_measure.cli import main
from otel_job_measure.cli.jobs_table import rendered
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.run_record import RUNNING
from otel_job_measure.insight.check import checked
from otel_job_measure.insight.overview import JobView, Overview, jobs
from otel_job_measure.insight.run_store import ALL
from otel_job_measure.journal.interfaces import Chunk
from tests.history.support import history_in
from tests.insight.contract import FAILED, ended, some_runs, started, whole
from tests.insight.made import DAY, HOUR, STEADY_HOURLY, at, expected, history, run
from tests.insight.test_overview import OverviewStore

SECOND: Final = 10**9
BAD: Final = JobId("bad", "billing", "production")
GOOD: Final = JobId("good", "billing", "production")
Fill = Callable[[bytes], None]
_BARS: Final = "durations"


@pytest.fixture
def fill(state_dir: Path) -> Fill:
    """Puts lines into the history of the state directory."""

    def filled(data: bytes) -> None:
        state_dir.mkdir(mode=0o700, exist_ok=True)
        history_in(state_dir, None, retention_s=1e10).fold(
            [Chunk(segment="local-1.lp", offset=0, data=data, host="web-1")]
        )

    return filled


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """Returns what `jobs --json` prints."""
    assert main(["jobs", "--json", *words]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_people_get_a_line_a_job_and_what_is_wrong_in_words(fill: Fill, capsys: pytest.CaptureFixture[str]) -> None:
    """The worst job comes first; below the table stands why; a pipe gets no colours."""
    now_ns = time.time_ns()
    fill(
        b"".join(whole(f"g{n}", now_ns - (n * 3600 + 30) * SECOND, GOOD, took_s=90.0) for n in range(1, 5))
        + whole("b", now_ns - 600 * SECOND, BAD, outcome=FAILED)
    )
    assert main(["jobs"]) == 0
    captured = capsys.readouterr()
    heading, first, second, _, why, _, summed = captured.out.splitlines()
    assert "\x1b" not in captured.out
    assert heading.split()[:4] == ["state", "job", "project", "last"]
    assert first.split()[:5] == ["✗", "failing", "bad", "billing/production", "10m"]
    assert second.split()[:6] == ["●", "ok", "good", "billing/production", "1h", "59m"]
    assert "ago: the last run failed: error, ValueError" in why
    assert summed.startswith("2 jobs: 1 critical, 1 ok; runs of the last 7 days")


def test_a_period_longer_than_runs_are_kept_says_so(fill: Fill, capsys: pytest.CaptureFixture[str]) -> None:
    """A history keeps runs for 30 days: 60 days of runs are not what is counted."""
    fill(whole("a", time.time_ns() - 600 * SECOND, GOOD))
    assert main(["jobs", "--since", "60d"]) == 0
    assert "; runs of the last 60 days, as far as they are kept: 30 days, from " in capsys.readouterr().out
    assert main(["jobs", "--since", "60d", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kept_ns"] == found["at_ns"] - 30 * 86_400 * SECOND
    assert main(["jobs", "--since", "29d", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kept_ns"] is None


def test_a_sentence_has_the_name_of_a_task_whole(fill: Fill, capsys: pytest.CaptureFixture[str]) -> None:
    """Names of Celery's tasks are paths of modules; a name of 1 KiB loses its middle."""
    task = "shop.billing.tasks.send_monthly_invoices_to_all_customers"
    jobs_ = JobId(task, "billing", "production"), JobId("n" * 1024, "billing", "production")
    fill(b"".join(whole(f"b{n}", time.time_ns() - SECOND, job, outcome=FAILED) for n, job in enumerate(jobs_)))
    assert main(["jobs"]) == 0
    text = capsys.readouterr().out
    assert f"{task}  failing since" in text
    assert f"{'n' * 40}…{'n' * 39}  failing since" in text


def test_what_failed_at_a_time_to_come_was_not_ago(fill: Fill, capsys: pytest.CaptureFixture[str]) -> None:
    """The clock was set back since."""
    fill(whole("b", time.time_ns() + 3600 * SECOND, BAD, outcome=FAILED))
    assert main(["jobs"]) == 0
    text = capsys.readouterr().out
    assert "failing since" in text
    assert "ago" not in text


def test_the_choice_and_the_order(fill: Fill, capsys: pytest.CaptureFixture[str]) -> None:
    """Options narrow the jobs and sort them; what matches nothing says so."""
    now_ns = time.time_ns()
    fill(
        whole("a", now_ns - 900 * SECOND, GOOD, took_s=9.0)
        + whole("b", now_ns - 600 * SECOND, BAD, took_s=1.0, outcome=FAILED)
        + started("c", now_ns - 300 * SECOND, JobId("other", "ops", "test"))
    )

    def names(*words: str) -> list[str]:
        return [each["job"] for each in shown(capsys, *words)["jobs"]]

    assert names() == ["bad", "good", "other"]
    assert names("--failing") == ["bad"]
    assert names("--job", "*o*") == ["good", "other"]
    assert names("--project", "ops") == names("--stage", "test") == ["other"]
    assert names("--host", "host-1") == ["bad", "good"]
    assert names("--sort", "name") == ["bad", "good", "other"]
    assert names("--sort", "last") == ["other", "bad", "good"]
    assert names("--sort", "p95")[:2] == ["good", "bad"]
    assert names("--since", "8m") == ["bad", "good", "other"]
    assert [each["runs"] for each in shown(capsys, "--since", "8m")["jobs"]] == [0, 0, 1]
    assert main(["jobs", "--job", "no*"]) == 0
    assert "No such job" in capsys.readouterr().err
    assert main(["jobs", "--failing", "--job", "good"]) == 0
    assert "No job is failing: 1 job is ok" in capsys.readouterr().err


def test_no_runs_at_all(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what to do, and programs get an empty list."""
    assert main(["jobs"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "No job has run in the last 7d, by " in captured.err
    assert "otel-job-measure demo" in captured.err
    assert main(["jobs", "--since", "2026-01-02"]) == 0
    assert "No job has run since 2026-01-02, by " in capsys.readouterr().err
    assert shown(capsys)["jobs"] == []
    assert not state_dir.exists()


@pytest.mark.parametrize("command", ["jobs", "watch"])
def test_a_period_that_begins_in_the_future_is_wrong(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its runs would be those of the last -27071 h."""
    with pytest.raises(SystemExit) as ended:
        main([command, "--since", "2100-01-01"])
    assert ended.value.code == 2
    assert "'2100-01-01' is in the future; it takes a time before now" in capsys.readouterr().err


def test_no_such_job_beside_what_holds_of_a_host(fill: Fill, capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt host is said, whatever else there is to say."""
    fill(whole("ahead", time.time_ns() + 86_400 * SECOND, GOOD))
    assert main(["jobs", "--host", "no-host"]) == 0
    captured = capsys.readouterr()
    assert "its clock is ahead" in captured.out
    assert "0 jobs; runs of the last 7 days" in captured.out
    assert "No such job" in captured.err


def test_only_open_runs(fill: Fill, capsys: pytest.CaptureFixture[str]) -> None:
    """A job that never ended has no share of successes and no durations."""
    fill(started("a", time.time_ns() - 60 * SECOND, GOOD))
    (job,) = shown(capsys)["jobs"]
    assert (job["state"], job["runs"], job["running"], job["success"], job["p50_s"]) == (RUNNING, 1, 1, None, None)
    assert job["last_success"] is None
    assert main(["jobs"]) == 0
    assert "never" in capsys.readouterr().out


def test_times_before_1970_and_far_ahead(fill: Fill, capsys: pytest.CaptureFixture[str]) -> None:
    """A clock that was wrong costs no line."""
    year_ns, now_ns = int(365.25 * 86_400) * SECOND, time.time_ns()
    fill(whole("a", now_ns - 177 * year_ns // 2, GOOD) + whole("b", now_ns + 347 * year_ns // 2, BAD))
    assert [each["job"] for each in shown(capsys, "--since", "1900-01-01")["jobs"]] == ["bad", "good"]
    assert main(["jobs", "--since", "1900-01-01"]) == 0
    out = capsys.readouterr().out
    assert "88y" in out
    assert "in 173y" in out


def test_terminal_and_json_have_the_same_values_of_20_000_runs(fill: Fill, capsys: pytest.CaptureFixture[str]) -> None:
    """Counts and quantiles are those of the runs."""
    fill(some_runs(20_000, 7))
    as_json = {
        (each["job"], each["project"], each["stage"]): each for each in shown(capsys, "--since", "2020-01-01")["jobs"]
    }
    assert main(["jobs", "--since", "2020-01-01", "--sort", "name"]) == 0
    lines = capsys.readouterr().out.splitlines()[1 : 1 + len(as_json)]
    for each, line in zip(sorted(as_json.values(), key=_place), lines, strict=True):
        assert f"  {each['runs']}  " in line
        assert each["job"] in line
    assert sum(each["runs"] for each in as_json.values()) == 20_000


def _place(job: dict[str, Any]) -> tuple[str, str, str]:
    return job["job"], job["project"] or "", job["stage"] or ""


def _picture(found: Overview, width: int, *, ascii_only: bool = False) -> list[str]:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii" if ascii_only else "utf-8", errors="replace")
    where = Console(file=out, force_terminal=True, color_system=None, width=width, highlight=False)
    where.print(*rendered(where, found, found.jobs, len(found.jobs)), crop=False)
    out.flush()
    buffer = out.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode().splitlines()


def _some_overview(names: Sequence[str] = ("nightly", "import"), projects: Sequence[str | None] = ()) -> Overview:
    runs = [
        replace(each, job=name, project=project, uuid=f"{name}{project}{each.uuid}")
        for name, project in itertools.zip_longest(names, projects)
        for each in STEADY_HOURLY
    ]
    bad = replace(run(-60, -50, uuid="f", reason="error"), job=names[0], project=runs[0].project)
    hourly = replace(expected(schedule="0 * * * *", timezone="UTC"), job=bad.job_id)
    store = OverviewStore(*runs, bad, expects=(hourly,))
    return jobs(store, checked(store, history(30)), since_ns=at(-7 * DAY), wanted=ALL)


def test_a_narrow_terminal_loses_columns_in_a_known_order() -> None:
    """The durations go first, then the project and the quantiles; the state, the job and its last runs stay longest."""
    several = _some_overview(projects=("billing", "shop"))
    found = {width: _picture(several, width) for width in (60, 80, 100, 120, 140)}
    for width, lines in found.items():
        assert max(map(cell_len, lines)) <= width
    heads = {width: [word for word in lines[0].split("  ") if word] for width, lines in found.items()}
    assert {width: [word.strip() for word in head] for width, head in heads.items()} == {
        60: ["state", "job", "last", "last ok", "due in", "ok %", "last runs"],
        80: ["state", "job", "last", "last ok", "due in", "runs", "ok %", "p50", "last runs"],
        100: ["state", "job", "last", "last ok", "due in", "runs", "ok %", "p50", "p95", "last runs"],
        120: ["state", "job", "project", "last", "last ok", "due in", "runs", "ok %", "p50", "p95", "last runs"],
        140: ["state", "job", "project", "last", "last ok", "due in", "runs", "ok %", "p50", "p95", "last runs", _BARS],
    }


def test_two_jobs_of_one_name_are_told_apart_however_narrow_the_terminal_is() -> None:
    """Their projects are always there; those of jobs with names of their own are not cut into the names."""
    twice = _some_overview(("nightly", "nightly"), ("billing", "shop"))
    apart = _some_overview(("nightly-backup-1", "nightly-backup-2"), ("a-project-with-a-name", "another-project"))
    for width in (30, 60, 80):
        assert [line.split()[2:4] for line in _picture(twice, width)[1:3]] == [
            ["nightly", "billing/production"],
            ["nightly", "shop/production"],
        ]
    assert [line.split()[2] for line in _picture(apart, 60)[1:3]] == ["nightly-backup-1", "nightly-backup-2"]


def test_short_names_leave_room_for_a_further_column() -> None:
    """No column gives way to room that no name needs."""
    short = _some_overview(("sum", "p"))
    assert ["  runs  " in _picture(short, width)[0] for width in (60, 61)] == [False, True]
    assert ["p95" in _picture(short, width)[0] for width in (78, 79)] == [False, True]


class _Gone(Sequence[JobView]):
    """Jobs that count how often something goes through all of them."""

    def __init__(self, views: Sequence[JobView]) -> None:
        self._views = views
        self.times = 0

    def __getitem__(self, at: Any) -> Any:  # noqa: ANN401 - of `Sequence`
        return cast("Any", self._views)[at]

    def __len__(self) -> int:
        return len(self._views)

    def __iter__(self) -> Iterator[JobView]:
        self.times += 1
        return iter(self._views)


def test_no_line_goes_through_all_jobs() -> None:
    """Ten thousand jobs are looked at as often as two."""
    counts: list[int] = []
    for many in (2, 40):
        found = _some_overview([f"job-{number}" for number in range(many)], [f"p-{number}" for number in range(many)])
        views = _Gone(found.jobs)
        where = Console(file=io.StringIO(), force_terminal=True, width=140)
        where.print(*rendered(where, found, views, len(views)), crop=False)
        counts.append(views.times)
    assert counts[0] == counts[1]


def test_a_terminal_without_unicode_gets_marks_of_ascii() -> None:
    """Nothing becomes a question mark but what a name has."""
    text = "\n".join(_picture(_some_overview(), 140, ascii_only=True))
    assert text.isascii()
    assert "?" not in text
    assert "...................x" in text


@pytest.mark.parametrize(
    "name",
    [
        "x" * 1024,
        "報告書" * 30,
        "שלום עולם",
        "e\u0301" * 200,
        "\u202eevil",
        "a\x1b[31mb",
        "\x9b2J",
        "x\u200by",
        "[red]b[/]",
    ],
    ids=range(9),
)
def test_any_name_keeps_the_columns_in_place(name: str) -> None:
    """Long, wide, combining and right-to-left names, and what acts on a terminal, are shown and move nothing."""
    for width in (60, 80, 140):
        lines = _picture(_some_overview((name, "other")), width)
        assert max(map(cell_len, lines)) <= width
        assert all(line.replace("\u200e", "").isprintable() for line in lines)
        strips = {line.rstrip()[-1:] for line in lines[1:3]} if width < 140 else {"▪", "✗"}
        assert strips <= {"▪", "✗"}


def test_the_95th_percentile_of_the_durations_1_to_11_is_11(fill: Fill, capsys: pytest.CaptureFixture[str]) -> None:
    """The terminal and the JSON say so, from the same runs."""
    now_ns = time.time_ns()
    fill(b"".join(whole(f"r{n}", now_ns - n * int(HOUR) * SECOND, GOOD, took_s=float(n)) for n in range(1, 12)))
    (job,) = shown(capsys)["jobs"]
    assert (job["p50_s"], job["p95_s"]) == (6.0, 11.0)
    assert main(["jobs"]) == 0
    assert "6.00 s  11.00 s" in capsys.readouterr().out


def test_a_run_without_a_start_is_a_last_run(fill: Fill, capsys: pytest.CaptureFixture[str]) -> None:
    """Its end says when it was."""
    fill(ended("a", time.time_ns() - 7200 * SECOND, GOOD, took_s=1.0))
    assert main(["jobs"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[4:6] == ["2h", "2h"]
