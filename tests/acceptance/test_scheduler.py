import json
import os
from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.apps.scheduler import EACH
from tests.acceptance.recorded import Recorded, Runs
from tests.support.processes import Processes

pytestmark = [pytest.mark.acceptance, pytest.mark.parametrize("kind", ["threads", "tasks"])]
TAGS = {"datacenter": "eu-1", "stage": "test"}
PROJECTS = {"report": "shop", "mail": "shop", "import": "warehouse", "sync": "warehouse"}
CHILDREN = {"query": "report", "send": "report", "read": "import", "copy": "sync"}
Entry = Mapping[str, Any]


def read(path: Path) -> list[Entry]:
    """Returns the lines of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def check_rows(entry: Entry, run: Recorded, span: Entry) -> None:
    """Holds a run's rows against what the job has noted of it, and against its span as it was exported."""
    start, end, row = run.rows
    tags = TAGS | {"job": entry["job"], "project": PROJECTS[entry["job"]]}
    failed = entry["outcome"] != "end"
    how = {"status": "failed", "reason": entry["outcome"]} if failed else {"status": "end"}
    assert start.tags == end.tags == tags
    assert row.tags == tags | how
    assert end.fields == {"uuid": entry["uuid"], "status": how["status"]}
    assert (start.time_ns, end.time_ns, row.time_ns) == (span["start_ns"], span["end_ns"], span["end_ns"])
    fields = dict(row.fields)
    assert float(str(fields.pop("duration"))) * 1e9 >= entry["worked_ns"]
    expected = {name: entry[name] for name in ("uuid", "trace_id", "span_id", "error_type") if entry[name]}
    assert fields == expected | {"host": os.uname().nodename, "success": 0.0 if failed else 1.0}


def check_span(entry: Entry, span: Entry) -> None:
    """Holds a run's span against what the job has noted of it."""
    assert span["trace_id"] == entry["trace_id"]
    attributes = span["attributes"]
    assert attributes["scheduling.job.name"] == entry["job"]
    if entry["job"] == "mail":  # a span of the app's own
        return
    assert (span["name"], span["parent_id"]) == (f"run {entry['job']}", None)
    assert attributes["scheduling.job.run_id"] == entry["uuid"]
    failed = entry["outcome"] != "end"
    said = attributes.get("scheduling.job.reason", attributes["scheduling.job.status"])
    assert (said, attributes.get("error.type")) == (entry["outcome"], entry["error_type"])
    assert span["status"] == ("ERROR" if failed else "UNSET")


def check_overlap(ledger: list[Entry], runs: Mapping[str, Recorded]) -> None:
    """Makes sure that the runs of each pair were under way at the same time, and counts the pairs."""
    pairs = defaultdict[int, list[Recorded]](list)
    for entry in ledger:
        if entry.get("pair") is not None:
            pairs[entry["pair"]].append(runs[entry["uuid"]])
    whole = [pair for pair in pairs.values() if len(pair) == 2]
    assert len(whole) >= max(EACH // 2, len(pairs) - 1)  # the end of the app can meet one that has just come together
    for first, second in whole:
        (start, end, _), (other_start, other_end, _) = first.rows, second.rows
        assert max(start.time_ns, other_start.time_ns) < min(end.time_ns, other_end.time_ns)


def test_the_rows_are_what_the_jobs_of_a_scheduler_did(kind: str, processes: Processes, runs: Runs) -> None:
    """Every run of a scheduler's three jobs is in InfluxDB as it was, and in the app's own traces exactly once."""
    app = processes.app("scheduler", str(processes.folder), kind, **runs.variables)
    assert app.end() == 0
    ledger, spans = read(processes.folder / "ledger.jsonl"), read(processes.folder / "spans.jsonl")
    found = runs.all()
    assert sorted(found) == sorted(entry["uuid"] for entry in ledger)
    by_id = {span["span_id"]: span for span in spans}
    assert len(by_id) == len(spans)
    for entry in ledger:
        check_span(entry, by_id[entry["span_id"]])
        check_rows(entry, found[entry["uuid"]], by_id[entry["span_id"]])
    assert Counter(entry["outcome"] for entry in ledger).keys() >= {"end", "error", "timeout", "exit"}
    check_overlap(ledger, found)
    times = sorted(run.rows[0].time_ns for run in found.values() if run.job != "mail")
    assert all(one < other for one, other in pairwise(times))


def test_what_a_job_does_is_below_its_own_span(kind: str, processes: Processes, runs: Runs) -> None:
    """The app's spans inside a job are children of that run's span, and no span of ours but the runs' is exported."""
    app = processes.app("scheduler", str(processes.folder), kind, **runs.variables)
    assert app.end() == 0
    ledger, spans = read(processes.folder / "ledger.jsonl"), read(processes.folder / "spans.jsonl")
    by_id = {span["span_id"]: span for span in spans}
    children = [span for span in spans if span["name"] in CHILDREN]
    for child in children:
        parent = by_id[child["parent_id"]]
        assert parent["name"] == f"run {CHILDREN[child['name']]}"
        assert child["trace_id"] == parent["trace_id"]
        assert parent["start_ns"] <= child["start_ns"] <= child["end_ns"] <= parent["end_ns"]
    done = Counter(entry["job"] for entry in ledger if entry.get("pair", 0) is not None)
    expected = {name: done[job] for name, job in CHILDREN.items()}
    assert Counter(span["name"] for span in children) == expected
    others = Counter(span["name"] for span in spans if span["name"] not in CHILDREN)
    assert others == {f"run {job}": n for job, n in Counter(entry["job"] for entry in ledger).items() if job != "mail"}
