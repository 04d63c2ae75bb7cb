"""Folding: whatever comes in whatever order, there is one row a run, and it is the same."""

import itertools
import random
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otel_job_measure import names
from otel_job_measure.history.ingest import fold
from otel_job_measure.history.row_parser import LineReader
from otel_job_measure.history.run_record import Batch
from otel_job_measure.journal.kept_output import KeptOutput, encode
from otel_job_measure.points.outcome import Ending, Outcome
from otel_job_measure.points.rows import ending_lines
from otel_job_measure.points.tags import DefaultTags
from tests.history.support import FAILED, LOST, NOW_NS, SECOND, TAGS, Lines, chunk, history_in, rows, runs

UUID = "abcdefghijkm"


def test_a_run_is_one_row_with_all_that_its_points_say(tmp_path: Path) -> None:
    """The row of a run has each tag and field once, and its times."""
    history = history_in(tmp_path)
    lines = Lines(uuid=UUID)
    history.fold([chunk(lines.start() + lines.end(outcome=FAILED))])
    assert runs(history) == [
        {
            "job": "nightly",
            "datacenter": "fra",
            "project": "billing",
            "stage": "production",
            "tags": "{}",
            "uuid": UUID,
            "destination": "local",
            "started_ns": NOW_NS,
            "ended_ns": NOW_NS + SECOND,
            "status": "failed",
            "reason": "error",
            "success": 0.0,
            "duration_s": 0.75,
            "host": "host-1",
            "trace_id": "0af7651916cd43dd8448eb211c80319c",
            "span_id": "b7ad6b7169203331",
            "error_type": "ValueError",
            "error_message": "no such file",
            "attempt": None,
            "lag_s": None,
            "queued_s": None,
            "trigger": None,
            "task_id": None,
            "ending_rows": 3,
            "lost_ns": None,
            "lost_rows": 0,
            "lost_status": None,
            "lost_reason": None,
            "lost_values": None,
            "settled": 1,
        }
    ]


def test_an_open_run_is_there_and_then_ends(tmp_path: Path) -> None:
    """A run is open from its start on, and its end, folded later, ends it."""
    history = history_in(tmp_path)
    lines = Lines(uuid=UUID)
    start, end = lines.start(), lines.end()
    history.fold([chunk(start)])
    (run,) = runs(history)
    assert (run["status"], run["ended_ns"], run["success"], run["settled"]) == ("start", None, None, 0)
    history.fold([chunk(end, offset=len(start))])
    (run,) = runs(history)
    assert (run["status"], run["ended_ns"], run["success"], run["settled"]) == ("end", NOW_NS + SECOND, 1.0, 1)


def test_a_run_that_came_back_has_its_real_ending(tmp_path: Path) -> None:
    """The real ending of a run that was taken for lost wins, also when it was folded first."""
    lines = Lines(uuid=UUID)
    parts = [lines.start(), lines.end(NOW_NS + SECOND, LOST), lines.end(NOW_NS + 9 * SECOND)]
    found: list[list[dict[str, Any]]] = []
    for number, order in enumerate(([0, 1, 2], [0, 2, 1], [2, 1, 0])):
        history = history_in(tmp_path / str(number))
        for at in order:
            history.fold([chunk(parts[at], segment=f"segment-{at}")])
        found.append(runs(history))
    assert found[0] == found[1] == found[2]
    (run,) = found[0]
    assert (run["status"], run["ended_ns"], run["lost_ns"]) == ("end", NOW_NS + 9 * SECOND, NOW_NS + SECOND)


def test_the_truer_of_two_endings_counts(tmp_path: Path) -> None:
    """A process ended a run by its handle, and recovery took it for lost, before or after, at any time."""
    lines = Lines(uuid=UUID)
    for number, lost_ns in enumerate((NOW_NS + SECOND, NOW_NS + 600 * SECOND)):
        parts = [lines.start(), lines.end(NOW_NS + 9 * SECOND, FAILED), lines.end(lost_ns, LOST)]
        for order in itertools.permutations(range(3)):
            history = history_in(tmp_path / f"{number}{order}")
            for at in order:
                history.fold([chunk(parts[at], segment=f"local-{at}.lp")])
            (run,) = runs(history)
            assert (run["reason"], run["ended_ns"], run["lost_ns"]) == ("error", NOW_NS + 9 * SECOND, lost_ns)


def test_two_real_endings_are_kept(tmp_path: Path) -> None:
    """The later one counts; the views show the rows of both, with all their fields."""
    lines = Lines(uuid=UUID)
    parts = [lines.start(), lines.end(NOW_NS + SECOND, FAILED), lines.end(NOW_NS + 2 * SECOND, Outcome("timeout"))]
    history = history_in(tmp_path)
    for at, part in enumerate(parts):
        history.fold([chunk(part, segment=f"local-{at}.lp")])
    (run,) = runs(history)
    assert (run["reason"], run["ended_ns"]) == ("timeout", NOW_NS + 2 * SECOND)
    shown = rows(history.path, 'SELECT reason, success, duration, error_type FROM "scheduling-job-run" ORDER BY time')
    assert [tuple(row.values()) for row in shown] == [
        ("error", 0.0, 0.75, "ValueError"),
        ("timeout", 0.0, 0.75, None),
    ]


def test_a_running_run_has_the_host_of_its_start(tmp_path: Path) -> None:
    """A start row has none; the header of its segment has."""
    history = history_in(tmp_path)
    history.fold([chunk(Lines(uuid=UUID).start())])
    (run,) = history.latest(limit=1)
    assert (run.status, run.host) == ("running", "host-1")
    history.fold([chunk(Lines(uuid=UUID).old_end(), segment="local-2.lp")])
    (run,) = history.latest(limit=1)
    assert (run.status, run.host) == ("end", "host-1")


def test_what_a_scheduler_knows_is_kept(tmp_path: Path) -> None:
    """Attempt, lag, queued, trigger and task id, and no success for an attempt that will be tried again."""
    history = history_in(tmp_path)
    lines = Lines(uuid=UUID)
    ending = Ending(
        UUID, Outcome("retry"), NOW_NS + 1, attempt=2, lag_s=0.5, queued_s=1.5, trigger="retry", task_id="t"
    )
    history.fold([chunk(lines.start() + ending_lines(lines.series, ending, run_row=True, error_message=False))])
    (run,) = history.latest(limit=1)
    assert (run.attempt, run.lag_s, run.queued_s, run.trigger, run.task_id) == (2, 0.5, 1.5, "retry", "t")
    assert [(row["success"], row["reason"]) for row in runs(history)] == [(None, "retry")]
    (shown,) = rows(history.path, 'SELECT attempt, lag, queued, "trigger", task_id, success FROM "scheduling-job-run"')
    assert tuple(shown.values()) == (2, 0.5, 1.5, "retry", "t", None)


def test_old_rows_alone_make_runs_too(tmp_path: Path) -> None:
    """With OTEL_JOB_MEASURE_RUNS=off there is no reason and no measured duration, but there are runs."""
    history = history_in(tmp_path)
    lines = Lines(uuid=UUID)
    history.fold([chunk(lines.start() + lines.old_end(outcome=FAILED))])
    (run,) = runs(history)
    assert (run["status"], run["success"], run["ended_ns"]) == ("failed", 0.0, NOW_NS + SECOND)
    assert (run["reason"], run["duration_s"], run["ending_rows"]) == (None, None, 1)


def test_two_projects_may_have_one_uuid(tmp_path: Path) -> None:
    """A uuid alone is no key: apps that open their own spans in one state directory can meet."""
    history = history_in(tmp_path)
    other = DefaultTags(datacenter=None, project="shop", stage=None, more=(("host.name", "a"),))
    for tags in (TAGS, other):
        for job in ("nightly", "hourly"):
            lines = Lines(uuid=UUID, job=job, tags=tags)
            history.fold([chunk(lines.start() + lines.end(), segment=f"{job}-{tags.project}")])
    assert [(run["job"], run["project"]) for run in runs(history)] == [
        ("hourly", "billing"),
        ("hourly", "shop"),
        ("nightly", "billing"),
        ("nightly", "shop"),
    ]


_ENDINGS = st.sampled_from([None, Outcome(), FAILED])


@st.composite
def _stories(draw: st.DrawFn) -> list[list[bytes]]:
    """Returns for each of some runs its lines: a start, maybe an ending that was none, maybe a real one."""
    stories: list[list[bytes]] = []
    run_rows = draw(st.booleans())
    for number in range(draw(st.integers(1, 4))):
        lines = Lines(uuid=f"run{number:09}", job=draw(st.sampled_from(["a", "b c"])))
        begin = NOW_NS + number
        story = [lines.start(begin)]
        outcome = draw(_ENDINGS)
        if draw(st.booleans()):
            story += lines.end(begin + SECOND, LOST, run_row=run_rows).splitlines(keepends=True)
        if outcome is not None:
            story += lines.end(begin + 2 * SECOND, outcome, run_row=run_rows).splitlines(keepends=True)
        stories.append(story)
    return stories


@given(stories=_stories(), seed=st.integers(0, 2**32), cuts=st.integers(1, 6), again=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_any_order_and_any_cut_give_the_same_runs(
    tmp_path: Path, stories: list[list[bytes]], seed: int, cuts: int, *, again: bool
) -> None:
    """Shuffled, cut anywhere, folded twice: one row a run, the same as when everything comes at once."""
    lines = [line for story in stories for line in story]
    at_once = history_in(tmp_path / "at once")
    at_once.path.unlink(missing_ok=True)
    at_once.fold([chunk(b"".join(lines))])
    chance = random.Random(seed)
    chance.shuffle(lines)
    if again:
        lines += chance.sample(lines, len(lines))
    bit_by_bit = history_in(tmp_path / "bit by bit")
    bit_by_bit.path.unlink(missing_ok=True)
    size = -(-len(lines) // cuts)
    for begin in range(0, len(lines), size):
        bit_by_bit.fold([chunk(b"".join(lines[begin : begin + size]), segment=f"local-{begin}")])
    assert runs(bit_by_bit) == runs(at_once)
    assert len(runs(at_once)) == len(stories)


def test_folding_twice_writes_nothing_the_second_time(tmp_path: Path) -> None:
    """What is in already is recognised, so that a segment that is given again costs no writes."""
    data = b"".join(Lines(uuid=f"run{n:09}").start(NOW_NS + n) + Lines(uuid=f"run{n:09}").end() for n in range(500))
    database = history_in(tmp_path)._database
    changes: list[int] = []
    for _ in range(2):
        batch = Batch()
        LineReader().read(data, batch)
        with database.transaction() as connection:
            fold(connection, batch, [], NOW_NS)
            changes.append(connection.total_changes)
    assert changes == [503, 0]  # the runs, their job, the last run and the last success


def test_how_far_a_segment_is_in_is_noted_with_its_runs(tmp_path: Path) -> None:
    """The position moves only over what follows on what is in: a gap has to come again."""
    history = history_in(tmp_path)
    one, two, three = (Lines(uuid=f"run-{n}").start(NOW_NS + n) for n in range(3))
    history.fold([chunk(one)])
    assert history.positions() == {"local-1.lp": len(one)}
    history.fold([chunk(three, offset=len(one) + len(two))])
    assert history.positions() == {"local-1.lp": len(one)}
    history.fold([chunk(two + three, offset=len(one))])
    assert history.positions() == {"local-1.lp": len(one + two + three)}
    history.fold([chunk(one)])
    assert history.positions() == {"local-1.lp": len(one + two + three)}
    assert len(runs(history)) == 3


def test_signs_of_life_alone_are_no_transaction(tmp_path: Path) -> None:
    """They count as ingested at once, and are noted with the next run of their segment."""
    history = history_in(tmp_path)
    header, alive, start = b"# header\n", b"# alive 1800000000000000000\n", Lines(uuid=UUID).start()
    history.fold([chunk(header)])
    history.fold([chunk(alive, offset=len(header))])
    assert history.position("local-1.lp") == len(header + alive)
    assert not history.path.exists()
    history.fold([chunk(start, offset=len(header + alive))])
    history.fold([chunk(alive, offset=len(header + alive + start))])
    assert history.position("local-1.lp") == len(header + alive + start + alive)
    assert history_in(tmp_path).positions() == {"local-1.lp": len(header + alive + start)}
    assert history.positions() == {"local-1.lp": len(header + alive + start)}
    end = Lines(uuid=UUID).end()
    history.fold([chunk(end, offset=len(header + alive + start + alive))])
    assert history_in(tmp_path).positions() == {"local-1.lp": len(header + alive + start + alive + end)}
    (run,) = runs(history)
    assert run["status"] == "end"


def test_what_is_folded_already_is_left_out_of_a_chunk(tmp_path: Path) -> None:
    """A chunk that begins before the position is folded from there on, at the right place."""
    history = history_in(tmp_path)
    one, two = (Lines(uuid=f"run-{n}").start(NOW_NS + n) for n in range(2))
    history.fold([chunk(one)])
    history.fold([chunk(one + two)])
    assert history.positions() == {"local-1.lp": len(one + two)}
    assert len(runs(history)) == 2


def test_forgotten_segments_are_deleted(tmp_path: Path) -> None:
    """What is known of a segment that is gone goes with the next transaction, and is not told any more before that."""
    history = history_in(tmp_path)
    line = Lines(uuid=UUID).start()
    history.fold([chunk(line, segment=name) for name in ("one", "two", "three")])
    history.forget(["one"])
    assert history.positions() == {"two": len(line), "three": len(line)}
    history.fold([chunk(line, segment="four")])
    assert {row["name"] for row in rows(history.path, "SELECT name FROM segments")} == {"two", "three", "four"}
    history.forget(["two"])
    history.clean()
    assert {row["name"] for row in rows(history.path, "SELECT name FROM segments")} == {"three", "four"}


def test_reasons_are_kept_as_they_come(tmp_path: Path) -> None:
    """Each reason of a failure is in its row."""
    history = history_in(tmp_path)
    for number, reason in enumerate(names.REASONS):
        lines = Lines(uuid=f"run-{number}")
        history.fold([chunk(lines.start() + lines.end(outcome=Outcome(reason=reason)), segment=reason)])
    assert [run["reason"] for run in runs(history)] == list(names.REASONS)


def test_a_commands_output_finds_its_run_later(tmp_path: Path) -> None:
    """It may come in a transaction of its own, again, or for a run that is not there."""
    history = history_in(tmp_path)
    history.fold([chunk(Lines(uuid="a").start() + Lines(uuid="a").end())])
    comment = encode(KeptOutput("a", NOW_NS + SECOND, "stderr", b"\xff\0"))
    nowhere = encode(KeptOutput("b", NOW_NS + SECOND, "stderr", b"b")) + encode(KeptOutput("a", NOW_NS, "stdout", b"c"))
    for number in range(2):
        history.fold([chunk(comment + nowhere, f"segment-{number}")])
    assert history.output("a") == {"stderr": b"\xff\0"}
    assert history.output("b") == {}
    history.fold([chunk(Lines(uuid="a").old_end(NOW_NS + SECOND), "again")])
    assert history.output("a") == {"stderr": b"\xff\0"}
    assert history_in(tmp_path / "none").output("a") == {}
