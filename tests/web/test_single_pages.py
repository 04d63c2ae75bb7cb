"""The pages of one job and of one run."""

import re
from html import unescape

from otel_job_measure.insight.history_store import HistoryStore
from tests.web.made import ODD
from tests.web.site import look_at, visited


def link(html: str, path: str) -> str:
    """Returns the first link that leads to such a page."""
    return unescape(re.findall(rf'href="({path}\?[^"]*)"', html)[0])


def test_a_jobs_page_draws_its_gaps(company: HistoryStore) -> None:
    """A nightly job that missed two nights has a gap, and the table behind the picture counts it."""
    with visited(lambda: look_at(company)) as client:
        html = client.get("/job?job=nightly-backup&project=ops&stage=production").text
    assert 'class="missed"' in html
    assert "missed</th>" in html
    assert "When nightly-backup ran" in html
    assert "How long nightly-backup took" in html
    assert html.count("<title>") == html.count("<desc>") + 1


def test_a_run_is_reached_by_links(company: HistoryStore) -> None:
    """From all jobs to a job, its runs, one run, and back."""
    with visited(lambda: look_at(company)) as client:
        job = client.get(link(client.get("/?q=invoice").text, "/job")).text
        assert "Why invoice-export failed" in job
        assert "ConnectionError" in job
        run = client.get(link(job, "/run")).text
        assert "ledger.internal:5432 refused the connection" in run
        assert "Runs beside it" in run
        assert client.get(link(run, "/job")).status_code == 200


def test_runs_are_searched_and_paged(company: HistoryStore) -> None:
    """Without a script; a search that finds nothing says so."""
    page = "/job?job=sync-crm&project=sales&stage=production"
    with visited(lambda: look_at(company)) as client:
        assert "page 1 of" in client.get(page).text
        assert "page 2 of" in client.get(f"{page}&page=2").text
        assert "0 of" in client.get(f"{page}&q=nothing-like-this").text
        failed = client.get(f"{page}&status=failed").text
        assert 'class="outcome ok"' not in failed
        assert 'class="outcome failed"' in failed


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
        for path in ("/job?job=nothing", "/job", "/run?uuid=nothing", "/run", "/nothing"):
            assert client.get(path).status_code == 404
