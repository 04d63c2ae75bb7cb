"""The history gives the rows back as they were written, for `ship --backfill`."""

import random
from pathlib import Path

from otel_job_measure.history import history as module
from otel_job_measure.history.history import History
from otel_job_measure.points.line_protocol import lines
from otel_job_measure.points.outcome import Ending, Outcome
from otel_job_measure.points.rows import ending_lines
from otel_job_measure.points.tags import DefaultTags
from tests.history.support import DAY, FAILED, LOST, NOW_NS, SECOND, Lines, chunk, history_in

_MORE = DefaultTags(datacenter=None, project="shop, all", stage="s", more=(("host.name", "web 1"), ("k8s.pod", "ä=b")))


def _data() -> list[bytes]:
    back, twice = Lines(uuid="back", tags=_MORE), Lines(uuid="twice")
    scheduled = Ending(
        uuid="scheduled",
        outcome=Outcome(reason="retry", error_type="Retry", error_message='no "x"\\'),
        end_ns=NOW_NS + 7 * SECOND,
        duration_s=0.1,
        host="web-1",
        attempt=2,
        lag_s=0.25,
        queued_s=3.0,
        trigger="schedule",
        task_id="t-1",
    )
    return lines(
        b"".join(
            [
                Lines(uuid="well").start() + Lines(uuid="well").end(),
                Lines(uuid="off").start(NOW_NS + 1) + Lines(uuid="off").old_end(NOW_NS + SECOND + 1, FAILED),
                Lines(uuid="open").start(NOW_NS + 2),
                Lines(uuid="no start").end(NOW_NS + 3, FAILED),
                Lines(uuid="run row").run_end(NOW_NS + 4),
                back.start() + back.end(NOW_NS + SECOND, LOST) + back.end(NOW_NS + 9 * SECOND),
                twice.start(NOW_NS + 5) + twice.end(NOW_NS + 6, FAILED) + twice.end(NOW_NS + 7, traced=False),
                Lines(uuid="scheduled").start(NOW_NS + 8),
                ending_lines(Lines(uuid="scheduled").series, scheduled, run_row=True, error_message=True),
            ]
        )
    )


def history_of_all_kinds(folder: Path) -> History:
    """Returns a history whose lines came in any order."""
    written = _data()
    random.Random(1).shuffle(written)
    history = history_in(folder)
    for number, line in enumerate(written):
        history.fold([chunk(line + b"\n", f"local-{number}.lp")])
    return history


def test_the_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    """Every row of every run, byte for byte, whatever the order in which they came."""
    history = history_of_all_kinds(tmp_path)
    assert sorted(lines(b"".join(history.points()))) == sorted(_data())


def test_they_come_some_runs_at_a_time(tmp_path: Path) -> None:
    """No more than a bounded number of runs is in memory."""
    history = history_in(tmp_path)
    written = [Lines(uuid=f"run{n}").start(NOW_NS + n) for n in range(2 * module._RUNS_AT_ONCE + 1)]
    history.fold([chunk(b"".join(written))])
    found = list(history.points())
    assert [part.count(b"\n") for part in found] == [module._RUNS_AT_ONCE, module._RUNS_AT_ONCE, 1]
    assert b"".join(found) == b"".join(written)


def test_only_runs_since_a_time_are_wanted(tmp_path: Path) -> None:
    """A run counts by its start and by its end; nothing is there without a history."""
    history = history_in(tmp_path)
    assert list(history.points()) == []
    old, long, new = Lines(uuid="old"), Lines(uuid="long"), Lines(uuid="new")
    long_lines = long.start(NOW_NS - DAY) + long.end(NOW_NS + 1)
    history.fold([chunk(old.start(NOW_NS - DAY) + old.end(NOW_NS - 1) + long_lines + new.start(NOW_NS))])
    assert sorted(lines(b"".join(history.points(NOW_NS)))) == sorted(lines(long_lines + new.start(NOW_NS)))


def test_only_runs_of_some_destinations_are_wanted(tmp_path: Path) -> None:
    """Two projects with destinations of their own may share a state directory, and get only their own rows."""
    history = history_in(tmp_path)
    ours, theirs = Lines(uuid="ours").start(), Lines(uuid="theirs").start(NOW_NS + 1)
    history.fold([chunk(ours, "local-1.lp"), chunk(theirs, "0123456789abcdef-2.lp")])
    assert list(history.points(destinations={"local", "any"})) == [ours]
    assert list(history.points(destinations={"none"})) == []
