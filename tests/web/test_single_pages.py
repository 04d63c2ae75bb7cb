"""The pages of one job and of one run."""

import re
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any, Final

import pytest
from starlette.testclient import TestClient

from otel_job_measure.errors import StoreError
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.run_order import started_ns
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight.history_store import HistoryStore
from otel_job_measure.insight.run_store import Wanted
from otel_job_measure.insight.words import took
from tests.web.conftest import store_in
from tests.web.made import ODD, Made
from tests.web.site import look_at, visited

BACKUP: Final = JobId("nightly-backup", "ops", "production")


def link(html: str, path: str) -> str:
    """Returns the first link that leads to such a page."""
    return unescape(re.findall(rf'href="({path}\?[^"]*)"', html)[0])


def test_a_jobs_page_draws_its_gaps(company: HistoryStore) -> None:
    """A nightly job that missed two nights has a gap, and the table behind the picture counts it."""
    with visited(lambda: look_at(company)) as client:
        html = client.get("/job?job=nightly-backup&project=ops&stage=production").text
    assert 'class="missed"' in html
    assert "missed</th>" in html
    assert "When it ran" in html
    assert "How long it took" in html
    assert html.count("<title>") == html.count("<desc>") + 1


def test_the_figures_are_those_of_the_period(company: HistoryStore) -> None:
    """Thirty days have more runs than seven, and their own quantiles; the store says the same."""
    found = look_at(company)
    address = "/job?job=nightly-backup&project=ops&stage=production"
    with visited(lambda: found) as client:
        week, month = client.get(address).text, client.get(f"{address}&span=30d").text
    for html, days in ((week, 7), (month, 30)):
        wanted = Wanted.of_job(BACKUP, since_ns=found.found.at_ns - days * 86_400 * 10**9)
        summary = company.summaries(wanted)[0]
        assert f"<dt>runs</dt><dd>{summary.runs}</dd>" in html
        assert f"<dt>p95</dt><dd>{took(summary.p95_s)}</dd>" in html
        assert f">p95 {took(summary.p95_s)}</text>" in html
    assert week != month


def test_a_run_says_all_that_is_known(tmp_path: Path) -> None:
    """Its times, its delay, its queue, its attempts, its output and its trace, each only if it is known."""
    made = Made(time.time_ns())
    job = JobId("<b>report</b>", "shop", "")
    shared: dict[str, Any] = {
        "task_id": "t-1",
        "trace_id": "ab" * 16,
        "span_id": "cd" * 8,
        "lag_s": 2.5,
        "queued_s": 0.25,
    }
    made.run(job, 700, 3.0, "error", attempt=1, error_type="Odd<i>", error_message="line 1\nline 2 <b>", **shared)
    uuid = made.run(job, 600, 4.0, attempt=2, **shared)
    made.run(job, 500, 5.0)
    made.write(tmp_path / "state")
    found = replace(look_at(store_in(tmp_path / "state")), trace_link="https://traces.example/{trace_id}?j={job}")
    with visited(lambda: found) as client:
        html = client.get(f"/run?uuid={uuid}").text
        failed = client.get(link(html, "run")).text
        assert client.get(f"/run?uuid={uuid[:6]}").status_code == 200
    for text in ("late by</dt><dd>2.50 s", "queue</dt><dd>250 ms", "Attempts of its task", ">before<", ">after<"):
        assert text in html
    assert f'href="https://traces.example/{"ab" * 16}?j=%3Cb%3Ereport%3C%2Fb%3E"' in html
    assert "Odd&lt;i&gt;" in failed
    assert "line 2 &lt;b&gt;" in failed
    assert "<b>report" not in html + failed


def test_a_run_of_weeks_is_drawn(tmp_path: Path) -> None:
    """A service that started before the period fills the picture, and no run is missing while it runs."""
    made = Made(time.time_ns())
    service, ended = JobId("service", "", ""), JobId("ended", "", "")
    made.expect(service, schedule="0 * * * *", timezone="UTC")
    made.alive(service, made.run(service, 20 * 86_400, None), 5, 20 * 86_400)
    made.run(ended, 20 * 86_400, 19 * 86_400)
    made.write(tmp_path / "state")
    with visited(lambda: look_at(store_in(tmp_path / "state"))) as client:
        running, ok = (client.get(f"/job?job={each.job}").text for each in (service, ended))
    assert '<g class="running"><rect x="0%" y="26" width="100%"' in running
    assert "missed" not in running
    assert "<desc>1 ok.</desc>" in ok


def test_a_stuck_run_of_long_ago_is_drawn(tmp_path: Path) -> None:
    """Later runs of its job went on without it; it fills the picture, as it fills the days."""
    made = Made(time.time_ns())
    job = JobId("nightly", "", "")
    made.run(job, 20 * 86_400, None)
    made.run(job, 86_400, 5.0)
    made.write(tmp_path / "state")
    with visited(lambda: look_at(store_in(tmp_path / "state"))) as client:
        page = client.get("/job?job=nightly").text
    assert '<g class="running"><rect x="0%" y="26" width="100%"' in page


def test_failures_that_do_not_count_are_said_beside_the_success(tmp_path: Path) -> None:
    """A job that always needs two attempts has a success of 100 %, and its page says why."""
    made = Made(time.time_ns())
    job = JobId("import", "", "")
    for number in range(3):
        made.run(job, 600 * number + 90, 5.0, "retry", error_type="Boom", attempt=1, task_id=f"t{number}")
        made.run(job, 600 * number + 60, 5.0, attempt=2, task_id=f"t{number}")
    made.run(JobId("fails", "", ""), 60, 5.0, "error")
    made.write(tmp_path / "state")
    with visited(lambda: look_at(store_in(tmp_path / "state"))) as client:
        retried, failed = client.get("/job?job=import").text, client.get("/job?job=fails").text
    assert "<dt>failed</dt><dd>3, of which 3 do not count</dd></div><div><dt>success</dt><dd>100 %<" in retried
    assert "<dt>failed</dt><dd>1</dd>" in failed


def test_a_lost_run_has_no_end(tmp_path: Path) -> None:
    """The time of its row is that of its start; people are told that the end is not known."""
    made = Made(time.time_ns())
    uuid = made.run(JobId("killed", "", ""), 600, 1e-6, "lost")
    made.write(tmp_path / "state")
    with visited(lambda: look_at(store_in(tmp_path / "state"))) as client:
        assert "<dt>ended</dt><dd>not known: its process was gone</dd>" in client.get(f"/run?uuid={uuid}").text


def test_a_trace_link_never_runs_a_script(company: HistoryStore) -> None:
    """An address that is none of the web is not a link."""
    found = replace(look_at(company), trace_link="javascript:alert('{trace_id}')")
    with visited(lambda: found) as client:
        job = client.get(link(client.get("/?q=invoice").text, "job")).text
        assert "javascript:" not in client.get(link(job, "run")).text


def test_a_store_that_takes_too_long_is_said(company: HistoryStore, company_dir: Path) -> None:
    """A page waits for the store only so long, and the other pages do not wait for it."""
    ends = threading.Event()

    class Slow(HistoryStore):
        def find(self, uuid_prefix: str, limit: int = 10) -> list[RunRecord]:
            ends.wait()
            return super().find(uuid_prefix, limit)

    found = replace(look_at(company), store=store_in(company_dir, Slow))
    with visited(lambda: found, most_s=0.05) as client:
        answer = client.get("/run?uuid=r")
        assert answer.status_code == 503
        assert "has not answered within 0.05 s" in answer.text
        assert client.get("/").status_code == 200
        ends.set()


def test_a_store_that_goes_away_is_said(company: HistoryStore, company_dir: Path) -> None:
    """If the store fails while a page asks it, the page says what the store said."""

    class Away(HistoryStore):
        def latest(self, wanted: Wanted, limit: int) -> list[RunRecord]:
            raise StoreError("InfluxDB at influx.example does not answer")

    found = replace(look_at(company), store=store_in(company_dir, Away))
    with visited(lambda: found) as client:
        answer = client.get("/job?job=nightly-backup&project=ops&stage=production")
    assert answer.status_code == 503
    assert "InfluxDB at influx.example does not answer" in answer.text


def test_a_run_is_reached_by_links(company: HistoryStore) -> None:
    """From all jobs to a job, its runs, one run, and back."""
    with visited(lambda: look_at(company)) as client:
        job = client.get(link(client.get("/?q=invoice").text, "job")).text
        assert "Why it failed" in job
        assert "ConnectionError" in job
        run = client.get(link(job, "run")).text
        assert "ledger.internal:5432 refused the connection" in run
        assert "Runs beside it" in run
        assert client.get(link(run, "job")).status_code == 200


def uuids_of(html: str) -> list[str]:
    """Returns the runs of a page's table, in its order."""
    return re.findall(r'<td class="mono">(.*?)</td>', html)


def paged(client: TestClient, address: str, rel: str) -> list[str]:
    """Returns the runs of a page and of all that follow it by a link."""
    html = client.get(address).text
    found = uuids_of(html)
    while links := re.findall(rf'rel="{rel}" href="([^"]*)"', html):
        html = client.get(unescape(links[0])).text
        found += uuids_of(html)
    return found


def test_paging_reaches_every_run(company: HistoryStore) -> None:
    """From the newest to the first, whatever the period of the pictures, each once; and from a moment on."""
    crm = JobId("sync-crm", "sales", "production")
    runs = company.latest(Wanted.of_job(crm), 10_000)
    page = "/job?job=sync-crm&project=sales&stage=production&span=1d"
    with visited(lambda: look_at(company)) as client:
        assert paged(client, page, "next") == [run.uuid for run in runs]
        failed = paged(client, f"{page}&status=failed", "next")
        assert failed == [run.uuid for run in runs if run.status == "failed"]
        moment = datetime.fromtimestamp(started_ns(runs[300]) // 10**9, UTC).astimezone()
        html = client.get(f"{page}&at={moment:%Y-%m-%dT%H:%M:%S}").text
        assert uuids_of(html)[0] == runs[301].uuid
        assert "Figures and pictures of this job" in html
        newer = client.get(unescape(re.findall('rel="prev" href="([^"]*)"', html)[0])).text
        assert uuids_of(newer) == [run.uuid for run in runs[251:301]]


def test_runs_are_searched(company: HistoryStore) -> None:
    """Without a script; a search that finds nothing says in how many runs it looked."""
    page = "/job?job=sync-crm&project=sales&stage=production"
    runs = company.latest(Wanted.of_job(JobId("sync-crm", "sales", "production")), 10_000)
    with visited(lambda: look_at(company)) as client:
        assert f"0 of {len(runs):,} runs searched" in client.get(f"{page}&q=nothing-like-this").text
        assert uuids_of(client.get(f"{page}&q={runs[700].uuid.upper()}").text) == [runs[700].uuid]
        failed = client.get(f"{page}&status=failed").text
        assert 'class="outcome ok"' not in failed
        assert 'class="outcome failed"' in failed
        assert "1 run<" in client.get("/job?job=import-orders&project=shop&stage=staging&status=lost").text


@pytest.mark.parametrize(
    "odd",
    [
        *("page=-1", "page=99999999999999999999", "since=yesterday", "span=-1", "span=1000000d", "status=%3Cscript%3E"),
        *("before=x", "before=.", "before=99999999999999999999.x", "before=-9223372036854775809.", "after=1e9.x"),
        *(
            "at=never",
            "at=0001-01-01T00:00",
            "at=9999-12-31T23:59:59",
            "at=2026-02-30T00:00",
            "at=%00",
            "before=%FF.%00",
        ),
    ],
)
def test_an_address_that_means_nothing_shows_the_job(company: HistoryStore, odd: str) -> None:
    """What cannot be read counts as not given."""
    with visited(lambda: look_at(company)) as client:
        html = client.get(f"/job?job=sync-crm&project=sales&stage=production&{odd}").text
        assert "When it ran" in html
        assert len(uuids_of(html)) == 50


@pytest.mark.parametrize("at", ["", "x", "-1", "99999999999999999999", "0", "1"])
def test_a_run_is_found_at_any_time(company: HistoryStore, at: str) -> None:
    """A link says when the run started; without that, or with a wrong time, its id is enough."""
    run = company.latest(Wanted.of_job(BACKUP), 1)[0]
    with visited(lambda: look_at(company)) as client:
        assert run.uuid in client.get(f"/run?uuid={run.uuid}&at={at}").text


def test_every_odd_job_has_its_page(odd: HistoryStore) -> None:
    """Whatever its name, its times and its lengths; nothing of it acts."""
    found = look_at(odd)
    with visited(lambda: found) as client:
        for view in found.overview.jobs:
            params = {"job": view.job.job, "project": view.job.project, "stage": view.job.stage, "span": "30d"}
            answer = client.get("/job", params=params)
            assert answer.status_code == 200, view.job
            assert "<script>alert" not in answer.text
            assert not set("\x1b\u202e") & set(answer.text)
            assert not re.search(r"<[^>]* (?:on\w+|style)=", re.sub(r'"[^"]*"', "", answer.text))
    assert ODD[0] in {view.job.job for view in found.overview.jobs}


def test_what_is_unknown_is_not_found(company: HistoryStore) -> None:
    """A job and a run that nothing is known of."""
    with visited(lambda: look_at(company)) as client:
        for path in (
            "/job?job=nothing",
            "/job",
            "/run?uuid=nothing",
            "/run",
            "/run?uuid=%25",
            "/run?uuid=_",
            "/nothing",
        ):
            answer = client.get(path)
            assert answer.status_code == 404
            assert 'href="./">All jobs</a>' in answer.text


def test_what_is_unknown_may_be_in_what_is_missing(company: HistoryStore) -> None:
    """A history that was damaged, or that is behind, does not say that a run never was."""
    found = replace(look_at(company), lacks="the history was damaged")
    with visited(lambda: found) as client:
        for path in ("/job?job=nothing", "/run?uuid=nothing"):
            assert "It may be in what is missing here: the history was damaged." in client.get(path).text


def test_an_odd_address_is_answered(company: HistoryStore) -> None:
    """Its characters do not act, and its length does not repeat in the title."""
    with visited(lambda: look_at(company)) as client:
        for word in (
            "%00",
            "%1b[31m%E2%80%AE",
            "%FF%FE",
            "%ED%A0%80",
            "x" * 20_000,
            "%3Cscript%3Ealert(1)%3C/script%3E",
        ):
            for path in (f"/job?job={word}", f"/run?uuid={word}"):
                answer = client.get(path)
                assert answer.status_code == 404
                assert len(answer.text) < 5000
                assert not set("\0\x1b\u202e") & set(answer.text)
                assert "<script>alert" not in answer.text
