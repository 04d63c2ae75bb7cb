"""The page of all jobs."""

import re
import time
from dataclasses import replace
from html import unescape
from pathlib import Path

from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.insight.findings import HOST_SILENT, Finding
from otel_job_measure.insight.history_store import HistoryStore
from otel_job_measure.insight.hosts import About
from otel_job_measure.journal.state_dir import StateDir
from tests.web.conftest import store_in
from tests.web.made import HOUR, ODD, Made
from tests.web.site import look_at, no_store, visited


def names_of(html: str) -> list[str]:
    """Returns the jobs of a page, in its order."""
    return [unescape(name) for name in re.findall(r'<th scope="row".*?<bdi>(.*?)</bdi>', html)]


def test_the_worst_jobs_come_first(company: HistoryStore) -> None:
    """And each has its state, its times and its numbers."""
    with visited(lambda: look_at(company)) as client:
        html = client.get("/").text
    levels = re.findall(r'<tr class="l([0-3])">', html)
    assert levels == sorted(levels, key="2310".index)  # critical, unknown, warning, ok
    # Of a company that was made minutes ago, more jobs are missed by now.
    bad = {
        "invoice-export",
        "nightly-backup",
        "payments-reconcile",
        "send-newsletter",
        "cleanup-tmp",
        "certificates-renew",
    }
    assert bad <= {name for name, level in zip(names_of(html), levels, strict=True) if level == "2"}
    assert "as of" in html
    for text in ("last success", "next due", "p95", "never ran", "<title>The last runs of invoice-export</title>"):
        assert text in html


def test_links_sort_and_filter(company: HistoryStore) -> None:
    """Without a script, by the address alone; an address that means nothing is as good as none."""
    with visited(lambda: look_at(company)) as client:
        assert names_of(client.get("/?sort=name").text) == sorted(names_of(client.get("/?sort=name").text))
        assert names_of(client.get("/?q=BACK").text) == ["nightly-backup"]
        assert names_of(client.get("/?state=never+ran").text) == ["cleanup-tmp"]
        assert names_of(client.get("/?project=sales&stage=production&q=c-crm").text) == ["sync-crm"]
        everything = names_of(client.get("/").text)
        for odd in ("sort=x", "page=-1", "page=99999999999", "page=٣", "nothing=1", "sort", "page=0"):
            assert names_of(client.get(f"/?{odd}").text) == everything
        assert "No job is like that" in client.get("/?q=nothing-like-this").text


def test_names_are_shown_as_they_are(odd: HistoryStore) -> None:
    """A job named `<script>` is a job named `<script>`, and its link leads to it."""
    with visited(lambda: look_at(odd)) as client:
        html = client.get("/").text
        assert "<script>alert" not in html
        assert "<img" not in html
        assert "\x1b" not in html
        assert "\u202e" not in html
        assert "<b>shop" not in html
        assert ODD[0] in names_of(html)
        assert "n" * 1024 in html
        assert "{{ 7 * 7 }}" in html
        assert "Z\u0351\u0352a" in html
    assert not re.search(r"<[^>]* (?:on\w+|style)=", re.sub(r'"[^"]*"', "", html))


def test_what_holds_of_a_host_is_said(odd: HistoryStore) -> None:
    """It is in no state of a job: a host whose clock is ahead, and a silent one that stands for all of its jobs."""
    found = look_at(odd)
    silent = About(host="<b>web-2", finding=Finding(name=HOST_SILENT, since_ns=0, detail="its sender fell silent"))
    hosts = (*found.overview.hosts, silent, replace(silent, host=None))
    with visited(lambda: replace(found, overview=replace(found.overview, hosts=hosts))) as client:
        html = client.get("/").text
    assert "<bdi>web-1</bdi>: the host writes wrong times: its clock is ahead" in html
    assert "<bdi>&lt;b&gt;web-2</bdi>: nothing comes from the host: its sender fell silent" in html
    assert "<bdi>the store</bdi>" in html


def test_nothing_at_all_is_said(company: HistoryStore) -> None:
    """A page without jobs says how to get one."""
    found = look_at(company)
    none = replace(found, overview=replace(found.overview, jobs=()))
    with visited(lambda: none) as client:
        html = client.get("/").text
    assert "No job has run yet" in html
    assert "otel-job-measure exec" in html


def test_a_store_that_is_away_is_said(company: HistoryStore) -> None:
    """Before anything is known, the page says why; afterwards it shows what was known, and why it is old."""
    with visited(no_store) as client:
        first = client.get("/")
    assert first.status_code == 503
    assert "Nothing is known yet" in first.text
    assert "InfluxDB at influx.example does not answer" in first.text


def test_a_history_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    """A history that cannot be opened is a message that names the file, on every page."""
    folder = tmp_path / "state"
    StateDir(folder).make()
    StateDir(folder).history.mkdir()  # root can read what has no rights
    with visited(lambda: look_at(store_in(folder))) as client:
        for path in ("/", "/job?job=lengths", "/run?uuid=r"):
            answer = client.get(path)
            assert answer.status_code == 503, path
            assert "history.db" in answer.text


def test_a_clock_that_was_set_back_shows_no_negative_time(tmp_path: Path) -> None:
    """A job failed at a time that is still to come, and another began to run then."""
    made, bad = Made(time.time_ns()), JobId("bad", "", "")
    made.run(bad, -HOUR, 3.0, "error")
    made.run(JobId("long", "", ""), -HOUR, None)
    made.write(tmp_path / "state")
    look = look_at(store_in(tmp_path / "state"))
    with visited(lambda: look) as client:
        pages = [client.get(address).text for address in ("/", "/job?job=bad", "/job?job=long")]
    assert '<span class="for">for' not in "".join(pages)
    for page in pages:
        shown = re.sub(r"<[^>]*>", " ", page)
        assert not re.search(r"(?<![\w-])-[0-9]", shown)
    assert re.search(r"in (1 h|59 min|58 min)", pages[0])
