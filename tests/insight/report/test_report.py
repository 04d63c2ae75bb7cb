"""A report of some jobs, in each of its forms: all say the same."""

import csv
import email
import email.policy
import io
import re
import time
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import pytest
from rich.cells import cell_len

from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight.check import checked
from otel_job_measure.insight.findings import HOST_SILENT, Finding
from otel_job_measure.insight.hosts import About
from otel_job_measure.insight.report import words
from otel_job_measure.insight.report.mail import mail, subject
from otel_job_measure.insight.report.page import html
from otel_job_measure.insight.report.report import Report, Totals, report, usual_since_ns
from otel_job_measure.insight.report.tables import markdown, report_object, table_csv
from otel_job_measure.insight.report.text import text
from otel_job_measure.insight.run_store import Wanted
from otel_job_measure.insight.words import to_the_minute
from tests.insight.made import DAY, HOUR, at, history, run
from tests.insight.report.made import Pruned, Store, daily, of

HOSTILE = "<script>alert(1)</script> \x1b[31m|\u202e=1+1"


class Elements(HTMLParser):
    """The elements of a page, and what they ask for."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.asked: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.asked += [
            value or "" for name, value in attrs if name in {"src", "href", "srcset", "action", "xlink:href"}
        ]


@pytest.fixture
def some() -> Report:
    """Jobs of each kind of change, and a hostile one."""
    return of(
        *daily("steady", 10, 14, 0),
        *daily("slow", 10, 14, 7),
        *daily("slow", 30, 7, 0),
        *daily("bad", 10, 14, 7),
        *daily("bad", 10, 7, 0, failing=4),
        *daily("new", 10, 7, 0),
        *daily("gone", 10, 14, 7),
        *daily(HOSTILE, 10, 7, 0, failing=7),
    )


def test_what_changed_stands_in_each_form(some: Report) -> None:
    """Each kind is said in words, with the numbers of both periods."""
    found = {each.job.job: words.of_change(each) for each in some.changes}
    assert found == {
        "bad": "4 of 7 runs failed; 0 of 7 runs before",
        "slow": "half of the runs take 30.00 s or longer, 3.0 times as long as before (10.00 s)",
        "new": "7 runs, 0 failed; none before",
        HOSTILE: "7 runs, 7 failed; none before",
        "gone": found["gone"],
    }
    assert found["gone"].startswith("no run; 7 runs before, the last one at ")
    for shown in (re.sub(r"\n *", " ", text(some)), html(some), markdown(some).replace("\\", "")):
        for words_of in found.values():
            assert words_of in shown
        assert shown.index("What changed") < shown.index("All jobs")
    assert [each["words"] for each in report_object(some)["changes"]] == [
        words.of_change(each) for each in some.changes
    ]


def test_a_first_report_says_since_when_runs_are_known() -> None:
    """Before the first run that is known there is nothing to compare with: no job is called new."""
    found = of(*daily("one", 10, 3, 0), *daily("two", 10, 2, 0))
    says = f"Nothing can be compared: the first run that is known started at {to_the_minute(at(-3 * DAY + HOUR))}."
    assert found.changes == ()
    for shown in (re.sub(r"\n *", " ", text(found)), html(found), markdown(found)):
        assert says in shown
        assert "none is new" not in shown
    told = report_object(found)
    assert (told["changes"], told["first_ns"]) == ([], at(-3 * DAY + HOUR))


def test_what_holds_of_a_host_stands_in_each_form() -> None:
    """It may stand in place of what holds of the host's jobs, and a mail is not `all ok`."""
    silent = About(host="web-1", finding=Finding(name=HOST_SILENT, since_ns=at(0), detail="its sender fell silent"))
    some = of(*daily("steady", 10, 14, 0))
    found = replace(some, overview=replace(some.overview, hosts=(silent, replace(silent, host=None))))
    for shown in (re.sub(r"\n *", " ", text(found)), html(found), markdown(found).replace("\\", "")):
        for host in ("web-1", "the store"):
            assert f"{host}: nothing comes from the host: its sender fell silent" in shown
        assert "All jobs are ok now." not in shown
        assert "but a host or the store is not." in shown
    assert "2 not ok" in subject(found)


def test_a_job_is_new_beside_others_that_ran_before(some: Report) -> None:
    """Also if the report is about that job alone: runs of others tell that there was a time before."""
    assert report_object(some)["first_ns"] is None
    store = Store(*daily("old", 10, 14, 0), *daily("new", 10, 3, 0))
    found = report(store, checked(store, history(30)), since_ns=at(30 - 7 * DAY), wanted=Wanted(job="new"))
    assert [each.kind for each in found.changes] == ["new"]


def test_a_report_says_which_jobs_it_is_about() -> None:
    """Its readers do not know its options: each form says them, and a name does nothing there either."""
    store = Store(*daily("night-1", 10, 14, 0))
    wanted = Wanted(job="night*", project="billing", stage="", host=HOSTILE)
    found = report(store, checked(store, history(30)), since_ns=at(30 - 7 * DAY), wanted=wanted)
    title = words.title(found)
    assert title.startswith("Jobs named night*, of project billing, without a stage, on host <script>alert(1)</sc")
    assert subject(found).startswith(title)
    for shown in (re.sub("-\n|\n", " ", text(found, 60)), unescape(html(found)), markdown(found).replace("\\", "")):
        assert title[:60] in shown
        assert "\x1b" not in shown
        assert "No such job is known." in shown
    assert max(map(cell_len, text(found, 60).splitlines())) <= 60
    assert "<script>" not in html(found)


def test_a_period_around_a_change_of_clocks_names_both_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its begin is in summer time, and its end is not."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        shown = [words.subtitle(of(days=days)) for days in (7, 200)]
    finally:
        monkeypatch.undo()
        time.tzset()
    assert "in CEST (UTC+0200), beside" in shown[0]
    assert "in CET (UTC+0100) and CEST (UTC+0200), beside" in shown[1]


def test_no_job_is_new_because_its_earlier_runs_are_not_kept() -> None:
    """Of a time before all runs are kept, the last run of a job that ended then is known, and nothing of the others."""
    store = Pruned(*daily("old", 10, 40, 39), *daily("steady", 10, 29, 0))
    look = checked(store, history(30))
    says = (
        "Runs before 2026-08-22 00:00 are not kept, so no job is called new; a shorter --since compares whole periods."
    )
    for days, kinds in ((30, ["gone"]), (10, [])):
        found = report(store, look, since_ns=at(30 - days * DAY))
        assert [each.kind for each in found.changes] == kinds
        told = re.sub("2026-..-.. ..:..", "2026-08-22 00:00", words.no_change(found))
        assert (told == says) == bool(kinds)
        assert ("as far as it is kept" in words.totals(found)) == bool(kinds)
        assert report_object(found)["kept_ns"] == (at(30 - 30 * DAY) if kinds else None)
    found = report(store, look, since_ns=at(30 - 25 * DAY), wanted=Wanted(job="steady"))
    assert words.no_change(found).startswith("Nothing: no job fails more or is slower than before, and none is gone. R")


def test_the_usual_period_has_a_period_before_it() -> None:
    """It is half of what the store keeps, and 30 days at most."""
    assert usual_since_ns(checked(Store(), history(30))) == at(30 - 30 * DAY)
    store = Pruned(*daily("steady", 10, 29, 0))
    look = checked(store, history(30))
    assert usual_since_ns(look) == at(30 - 15 * DAY)
    assert report(store, look, since_ns=usual_since_ns(look)).kept_ns is None


def test_the_totals_are_those_of_both_periods(some: Report) -> None:
    """Each period counts its own runs."""
    assert some.totals == Totals(jobs=5, runs=35, failed=11, running=0)
    assert some.totals_before == Totals(jobs=4, runs=28, failed=0, running=0)
    assert words.totals(some) == "5 jobs ran 35 times: 11 failed. Before: 4 jobs, 28 runs, 0 failed."


def test_long_names_lose_their_middle_in_sentences() -> None:
    """A name of 1 KiB would fill the screen; JSON has it whole."""
    found = of(replace(run(-100, -90), job="a" * 500 + "b" * 524))
    assert f"{'a' * 50}…{'b' * 50}" in text(found, 200)
    assert "a" * 51 not in text(found, 200)
    assert report_object(found)["jobs"][0]["job"] == "a" * 500 + "b" * 524


def test_a_name_from_the_right_turns_nothing_else_round() -> None:
    """A mark after it ends its direction: the numbers that follow a Hebrew name stay behind it."""
    found = of(*daily("\u05d2\u05d9\u05d1", 10, 14, 7), *daily("\u05d2\u05d9\u05d1", 30, 7, 0))
    for shown in (text(found), html(found), markdown(found).replace("\\", "")):
        assert "\u05d2\u05d9\u05d1\u200e (billing, production)" in shown
    chosen = replace(found, wanted=Wanted(job="\u05d2\u05d9\u05d1"))
    for shown in (text(chosen), html(chosen), markdown(chosen)):
        assert "Jobs named \u05d2\u05d9\u05d1\u200e, from" in shown


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ([], "No job ran, and none before. No job is known."),
        ([run(-60, None)], "1 job ran once: 0 failed, 1 is open. Before: 0 jobs, 0 runs, 0 failed. The job is ok now."),
    ],
)
def test_small_numbers_are_told_in_good_english(made: list[RunRecord], says: str) -> None:
    """One is not `are`."""
    found = of(*made)
    assert f"{words.totals(found)} {words.states(found)}" == says


def test_the_95th_percentile_of_the_durations_1_to_11_is_11() -> None:
    """Text, page, CSV and JSON say the same."""
    found = of(*(run(-n * 100, -n * 100 + n) for n in range(1, 12)))
    (row,) = csv.DictReader(io.StringIO(table_csv(found)))
    assert (row["p50_s"], row["p95_s"], row["runs"]) == ("6", "11", "11")
    (job,) = report_object(found)["jobs"]
    assert (job["p50_s"], job["p95_s"], job["runs"]) == (6.0, 11.0, 11)
    assert re.search(r" 11 +0 +100 % +6\.00 s +11\.00 s", text(found))
    assert "<td class=n>6.00 s</td><td class=n>11.00 s</td>" in html(found)


def test_bars_of_failures_are_told_apart() -> None:
    """Two jobs of one name have their projects, and of a long name the ends and the error are seen."""
    ids = (("x", "one"), ("x", "two"), (f"{'send' * 20}-1", "one"))
    runs = (replace(run(-100, -90, uuid=f"{a}{b}", reason="error", error_type="E"), job=a, project=b) for a, b in ids)
    page = html(of(*runs))
    for name in ("x · one · production · error: E", "x · two · production · error: E"):
        assert f">{name}</text>" in page
    assert ">sendsendsen…dsendsend-1 · error: E</text>" in page
    assert f"<td>{'send' * 20}-1 · error: E</td>" in page


def test_a_page_asks_for_nothing_and_runs_nothing(some: Report) -> None:
    """It has no script, no address, and a job named <script> is a job named <script>."""
    page = html(some)
    found = Elements(page)
    assert found.asked == []
    assert {"script", "link", "img", "iframe"}.isdisjoint(found.names)
    assert "&lt;script&gt;alert(1)&lt;/script&gt; \\x1b[31m" in page
    assert "\u202e" not in page
    assert "\x1b" not in page
    assert found.names.count("svg") == found.names.count("desc") > 5


def test_names_do_nothing_in_any_form(some: Report) -> None:
    """No terminal, no table and no spreadsheet acts on one."""
    for shown in (text(some), markdown(some), table_csv(some)):
        assert "\x1b" not in shown
        assert "\u202e" not in shown
    assert "<script>" not in markdown(some)
    formula = of(replace(run(-100, -90), job="=cmd|' /C calc'!A0"))
    (row,) = csv.DictReader(io.StringIO(table_csv(formula)))
    assert row["job"].startswith("'=")


def test_a_mail_has_the_text_and_the_page(some: Report) -> None:
    """The subject says what is the matter, and no header of the message comes from a job."""
    message = email.message_from_bytes(mail(some, ["ops@example.com"]), policy=email.policy.default)
    assert message["To"] == "ops@example.com"
    assert message["Subject"].endswith("1 not ok, 1 failing more, 1 slower, 2 new, 1 gone")
    plain, page = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert page is not None
    assert plain.get_content() == text(some)
    assert page.get_content() == html(some)


def test_three_hundred_jobs_fit_into_200_kB() -> None:  # noqa: N802 - the unit
    """Each has its strip; only what changed has a line of its durations."""
    runs = [
        replace(run(-n * HOUR, -n * HOUR + 9 + n % 5, uuid=f"{job}-{n}"), job=f"a-job-of-usual-length-{job:03}")
        for job in range(300)
        for n in range(1, 31)
    ]
    page = html(of(*runs))
    assert len(page.encode()) <= 200_000
    assert page.count("strip") >= 300


@pytest.mark.parametrize("made", [[], [run(-60, None)], [run(-60, -50)]], ids=["none", "open", "one"])
def test_few_runs_are_a_report_too(made: list[RunRecord]) -> None:
    """Each form says something."""
    found = of(*made)
    for shown in (text(found), html(found), markdown(found)):
        assert "What changed" in shown
    assert len(table_csv(found).splitlines()) == 1 + len(made)
    assert mail(found)
