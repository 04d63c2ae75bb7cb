"""Reading lines: the fast way and the parser agree, and what is no row of a run is passed over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_job_measure import names
from otel_job_measure.history import row_parser as module
from otel_job_measure.history.row_parser import LineReader
from otel_job_measure.history.run_record import OLD_ROW, RUN_ROW, Batch, Key, Known, Run
from otel_job_measure.points.outcome import Ending, Outcome
from otel_job_measure.points.rows import Series, ending_lines, start_line
from otel_job_measure.points.tags import DefaultTags
from tests.history.support import FAILED, NOW_NS, SECOND, Lines
from tests.points.texts import TEXTS

KEY = Key("nightly", "fra", "billing", "production", "{}")
OUTCOMES = st.builds(
    Outcome,
    reason=st.sampled_from([None, *names.REASONS]),
    error_type=st.none() | TEXTS,
    error_message=st.none() | TEXTS,
)
MORE = st.dictionaries(st.sampled_from(["host.name", "a b", "x=y", "z,"]), TEXTS, max_size=2)


def read(data: bytes) -> list[Run]:
    """Reads lines."""
    batch = Batch()
    LineReader().read(data, batch)
    return list(batch.runs.values())


def parsed(data: bytes) -> list[Run]:
    """Reads lines by the parser alone."""
    batch = Batch()
    for line in data.split(b"\n"):
        module._take_other(line.decode("utf-8", "replace"), batch)
    return list(batch.runs.values())


def told(runs: list[Run]) -> set[tuple[object, ...]]:
    """Returns everything that is known of runs."""
    return {(run.uuid, run.key, run.started_ns, *run.ranked()) for run in runs}


@pytest.mark.parametrize("outcome", [Outcome(), FAILED], ids=["end", "failed"])
def test_our_own_lines_take_the_fast_way(monkeypatch: pytest.MonkeyPatch, outcome: Outcome) -> None:
    """Once a job has been seen, no line of its runs with ordinary texts needs the parser, also with spaces in tags."""
    reader = LineReader()
    lines = Lines(uuid="abcdefghijkm", job="nightly report, all")
    data = lines.start() + lines.end(outcome=outcome) + lines.end(outcome=outcome, traced=False)
    reader.read(data, Batch())
    monkeypatch.setattr(module, "parse", None)
    batch = Batch()
    reader.read(data.replace(b"abcdefghijkm", b"nopqrstuvwxy"), batch)
    assert {uuid for uuid, _ in batch.runs} == {"nopqrstuvwxy"}


def test_what_a_run_leaves_is_read_whole() -> None:
    """Start, run row and old row become one run, with every tag and field."""
    lines = Lines(uuid="abcdefghijkm")
    (run,) = read(lines.start() + lines.end(outcome=FAILED))
    assert (run.key, run.uuid, run.started_ns) == (KEY, "abcdefghijkm", NOW_NS)
    ending = Ending(
        uuid="abcdefghijkm",
        outcome=FAILED,
        end_ns=NOW_NS + SECOND,
        duration_s=0.75,
        host="host-1",
        trace_id="0af7651916cd43dd8448eb211c80319c",
        span_id="b7ad6b7169203331",
    )
    assert run.ranked() == [Known(ending, OLD_ROW | RUN_ROW)]


@given(
    job=TEXTS,
    uuid=TEXTS.filter(bool) | st.just("abcdefghijkm"),
    outcome=OUTCOMES,
    more=MORE,
    duration=st.none() | st.floats(0, 1e9),
    attempt=st.none() | st.integers(1, 2**63 - 1),
)
def test_the_fast_way_and_the_parser_agree(
    job: str, uuid: str, outcome: Outcome, more: dict[str, str], duration: float | None, attempt: int | None
) -> None:
    """Whatever texts a run has, its lines are read the same both ways."""
    tags = DefaultTags(datacenter=job or None, project=None, stage="a b", more=tuple(sorted(more.items())))
    series = Series(job, tags)
    data = start_line(series, uuid, NOW_NS) + ending_lines(
        series,
        Ending(
            uuid=uuid,
            outcome=outcome,
            end_ns=NOW_NS + 1,
            duration_s=duration,
            host=job,
            trace_id="0af7651916cd43dd8448eb211c80319c",
            span_id="b7ad6b7169203331",
            attempt=attempt,
            lag_s=duration,
            queued_s=attempt,
            trigger=job,
            task_id=uuid,
        ),
        run_row=True,
        error_message=True,
    )
    reader, again = LineReader(), Batch()
    reader.read(data, Batch())
    reader.read(data, again)
    assert told(read(data)) == told(list(again.runs.values())) == told(parsed(data))
    assert len(parsed(data)) == 1


@given(data=st.data())
def test_garbled_lines_are_read_as_the_parser_reads_them(data: st.DataObject) -> None:
    """Whatever is missing or doubled, no line takes another one with it, and none is read as what it does not say."""
    runs = [Lines(uuid=f"abcdefghijk{n}", job=job) for n, job in enumerate(["a", "b c", "a", "a"])]
    whole = b"".join(run.start() + run.end(outcome=FAILED if n % 2 else Outcome()) for n, run in enumerate(runs))
    at = st.integers(0, len(whole))
    begin, end = sorted((data.draw(at), data.draw(at)))
    between = data.draw(st.sampled_from([b"", b"\n", b'"', b" ", b"\\", b"\\ ", b'\\"', b"#", whole[end:begin:-1]]))
    garbled = whole[:begin] + between + whole[end:]
    reader, again = LineReader(), Batch()
    reader.read(whole, Batch())
    reader.read(garbled, again)
    assert told(list(again.runs.values())) == told(parsed(garbled))


def test_lines_without_a_space_take_no_longer_than_others() -> None:
    """A good line after many of them is read."""
    good = Lines(uuid="abcdefghijkm").start()
    assert told(read(b"scheduling-job,\n" * 20_000 + b"scheduling-job," * 20_000 + b"\n" + good)) == told(read(good))


def test_further_tags_are_part_of_the_key() -> None:
    """Tags besides those of every row are kept by name, sorted, so that one run is always found again."""
    tags = DefaultTags(datacenter=None, project=None, stage=None, more=(("k8s.pod", "b"), ("host.name", "ä,b")))
    (run,) = read(Lines(uuid="abcdefghijkm", tags=tags).start())
    assert run.key == Key("nightly", None, None, None, '{"host.name":"ä,b","k8s.pod":"b"}')


@pytest.mark.parametrize(
    "line",
    [
        "# alive 1800000000000000000",
        "",
        "   ",
        "no line protocol",
        'scheduling-job,job=a status="start",uuid="x"',
        'scheduling-job,job=a status="start" 1800000000000000000',
        'scheduling-job,job=a status="start",uuid="" 1800000000000000000',
        'scheduling-job,job=a status="gone",uuid="x" 1800000000000000000',
        'scheduling-job,job=a status=1,uuid="x" 1800000000000000000',
        'scheduling-job,job=a status="start",uuid=1 1800000000000000000',
        'scheduling-job status="start",uuid="x" 1800000000000000000',
        'scheduling-job,project=p status="start",uuid="x" 1800000000000000000',
        'scheduling-job,job=a,job=b status="start",uuid="x" 1800000000000000000',
        'scheduling-job,job=a status="start",uuid="x" 9999999999999999999',
        'scheduling-jobs,job=a status="start",uuid="x" 1800000000000000000',
        'job,job=a status="start",uuid="x" 1800000000000000000',
        'scheduling-job-run,job=a success=1.0,uuid="x" 1800000000000000000',
        'scheduling-job-run,job=a,status=start success=1.0,uuid="x" 1800000000000000000',
        "scheduling-job-run,job=a,status=end success=1.0 1800000000000000000",
        'scheduling-job-run,status=end success=1.0,uuid="x" 1800000000000000000',
        'scheduling-job-run,job=a,status=end success=1.0,uuid="" 1800000000000000000',
    ],
)
def test_what_is_no_row_of_a_run_is_passed_over(line: str) -> None:
    """Comments, other measurements and lines without what a run needs change nothing, and hide no line after them."""
    good = Lines(uuid="abcdefghijkm").start()
    assert told(read(line.encode() + b"\n" + good)) == told(read(good))


def test_valid_lines_of_another_shape_are_read_too() -> None:
    """Another order of fields, other spaces, another time, integers and short booleans are line protocol as well."""
    runs = read(
        b'scheduling-job,job=a uuid="x",status="start"  999\n'
        b'scheduling-job-run,status=failed,job=a,reason=exit uuid="x",success=0,duration=2i,host=1i -5\n'
        b'scheduling-job,job=a more=t,uuid="x",status="failed" -5\n'
    )
    (run,) = runs
    assert run.started_ns == 999
    ending = Ending(uuid="x", outcome=Outcome(reason="exit"), end_ns=-5, duration_s=2.0)
    assert run.ranked() == [Known(ending, OLD_ROW | RUN_ROW)]


def test_a_run_row_is_not_joined_to_what_contradicts_it() -> None:
    """An old row of another job or another status after a run row is a row of its own."""
    run_row = Lines(uuid="abcdefghijkm").run_end()
    other_job = Lines(uuid="abcdefghijkm", job="other").old_end()
    assert len(read(run_row + other_job)) == 2
    (run,) = read(run_row + Lines(uuid="abcdefghijkm").old_end(outcome=FAILED))
    (known,) = run.ranked()
    assert (known.ending.outcome.status, known.rows) == ("end", OLD_ROW | RUN_ROW)


def test_bytes_that_are_no_text_are_replaced() -> None:
    """A line that is not UTF-8 spoils nothing but its own text."""
    (run,) = read(b'scheduling-job,job=a\xff status="start",uuid="x" 1800000000000000000\n')
    assert run.key.job == "a\N{REPLACEMENT CHARACTER}"


def test_what_tags_mean_is_not_remembered_for_ever() -> None:
    """A million jobs don't fill the memory."""
    reader = LineReader()
    for number in range(4):
        batch = Batch()
        jobs = range(number * 3000, (number + 1) * 3000)
        reader.read(b"".join(Lines(uuid="abcdefghijkm", job=f"{job:0900}").start() for job in jobs), batch)
        assert len(batch.runs) == 3000
        assert sum(map(len, reader._heads)) <= 8 * 1024 * 1024


def test_ten_thousand_jobs_are_remembered() -> None:
    """Reading their tags once more for each line would double the time that ingest takes."""
    reader = LineReader()
    runs = [Lines(uuid="abcdefghijkm", job=f"job-{job}") for job in range(10_000)]
    reader.read(b"".join(run.start() + run.end() for run in runs), Batch())
    assert len(reader._heads) == 2 * len(runs)
