"""Reading lines: the fast way and the parser agree, and what is no row of a run is passed over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_job_measure import names
from otel_job_measure.history import lines as module
from otel_job_measure.history.lines import LineReader, Runs
from otel_job_measure.history.record import OLD_ROW, RUN_ROW, Ending, Key
from otel_job_measure.points import DefaultTags, Outcome, Series, ending_lines, start_line
from tests.history.support import FAILED, LOST, NOW_NS, SECOND, Lines
from tests.points.texts import TEXTS

KEY = Key("nightly", "fra", "billing", "production", "{}")
OUTCOMES = st.builds(
    Outcome,
    reason=st.sampled_from([None, *names.REASONS]),
    error_type=st.none() | TEXTS,
    error_message=st.none() | TEXTS,
)
MORE = st.dictionaries(st.sampled_from(["host.name", "a b", "x=y", "z,"]), TEXTS, max_size=2)


def read(data: bytes) -> Runs:
    """Reads lines."""
    runs: Runs = {}
    LineReader().read(data, runs)
    return runs


def told(runs: Runs) -> set[tuple[object, ...]]:
    """Returns all that is known of runs."""
    return {(uuid, key, run.started_ns, *run.endings()) for (uuid, key), run in runs.items()}


def goes_fast(line: bytes) -> bool:
    """Tells whether no line needs the parser."""
    return all(not match.group(match.re.groups) for match in module._own_lines(line.decode()))


@pytest.mark.parametrize("outcome", [Outcome(), FAILED, LOST], ids=["end", "failed", "lost"])
def test_our_own_lines_take_the_fast_way(outcome: Outcome) -> None:
    """No line of ours with ordinary texts needs the parser, also where tags hold spaces and commas."""
    lines = Lines(uuid="abcdefghijkm", job="nightly report, all")
    for line in (lines.start(), lines.end(outcome=outcome), lines.end(outcome=outcome, traced=False)):
        assert goes_fast(line), line


def test_what_a_run_leaves_is_read_whole() -> None:
    """Start, run row and old row become one run, with every tag and field."""
    lines = Lines(uuid="abcdefghijkm")
    runs = read(lines.start() + lines.end(outcome=FAILED))
    (run,) = runs.values()
    assert (run.key, run.uuid, run.started_ns) == (KEY, "abcdefghijkm", NOW_NS)
    assert run.ending == Ending(
        time_ns=NOW_NS + SECOND,
        rows=OLD_ROW | RUN_ROW,
        status="failed",
        reason="error",
        duration_s=0.75,
        host="host-1",
        trace_id="0af7651916cd43dd8448eb211c80319c",
        span_id="b7ad6b7169203331",
        error_type="ValueError",
        error_message="no such file",
    )
    assert run.beaten is None


@given(job=TEXTS, uuid=TEXTS.filter(bool), outcome=OUTCOMES, more=MORE, duration=st.none() | st.floats(0, 1e9))
def test_the_fast_way_and_the_parser_agree(
    job: str, uuid: str, outcome: Outcome, more: dict[str, str], duration: float | None
) -> None:
    """Whatever texts a run has, its lines are read the same both ways."""
    tags = DefaultTags(datacenter=job or None, project=None, stage="a b", more=tuple(sorted(more.items())))
    series = Series(job, tags)
    data = start_line(series, uuid, NOW_NS) + ending_lines(
        series,
        uuid=uuid,
        outcome=outcome,
        end_ns=NOW_NS + 1,
        duration_s=duration,
        host=job,
        trace_id="0af7651916cd43dd8448eb211c80319c",
        span_id="b7ad6b7169203331",
        run_row=True,
        error_message=True,
    )
    parsed: Runs = {}
    for line in data.split(b"\n")[:-1]:
        module._take_other_line(line.decode(), parsed)
    assert told(read(data)) == told(parsed)
    assert len(parsed) == 1


def test_further_tags_are_part_of_the_key() -> None:
    """Tags besides those of every row are kept by name, sorted, so that one run is always found again."""
    tags = DefaultTags(datacenter=None, project=None, stage=None, more=(("k8s.pod", "b"), ("host.name", "ä,b")))
    (run,) = read(Lines(uuid="abcdefghijkm", tags=tags).start()).values()
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
    (run,) = runs.values()
    assert run.started_ns == 999
    assert run.ending == Ending(-5, OLD_ROW | RUN_ROW, "failed", "exit", duration_s=2.0)


def test_a_run_row_is_not_joined_to_what_contradicts_it() -> None:
    """An old row of another job or another status after a run row is a row of its own."""
    run_row = Lines(uuid="abcdefghijkm").run_end()
    other_job = Lines(uuid="abcdefghijkm", job="other").old_end()
    assert len(read(run_row + other_job)) == 2
    (run,) = read(run_row + Lines(uuid="abcdefghijkm").old_end(outcome=FAILED)).values()
    assert run.ending is not None
    assert (run.ending.status, run.ending.rows) == ("end", OLD_ROW | RUN_ROW)


def test_bytes_that_are_no_text_are_replaced() -> None:
    """A line that is not UTF-8 spoils nothing but its own text."""
    (run,) = read(b'scheduling-job,job=a\xff status="start",uuid="x" 1800000000000000000\n').values()
    assert run.key.job == "a\N{REPLACEMENT CHARACTER}"


def test_what_tags_mean_is_not_remembered_for_ever() -> None:
    """A million jobs don't fill the memory."""
    reader = LineReader()
    for number in range(3):
        runs: Runs = {}
        jobs = range(number * 3000, (number + 1) * 3000)
        reader.read(b"".join(Lines(uuid="abcdefghijkm", job=f"job-{job}").start() for job in jobs), runs)
        assert len(runs) == 3000
    assert len(reader._heads) <= 6000
