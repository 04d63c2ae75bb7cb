"""The runs of a job and its gaps, as a timeline shows them."""

from collections.abc import Sequence

from otel_job_measure import names
from otel_job_measure.expectations.expectation import ExpectedJob
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight.check import checked
from otel_job_measure.insight.pictures.kinds import FAILED, MISSED, OK, OPEN, SKIPPED, Kind
from otel_job_measure.insight.stretches import since_of, stretches
from otel_job_measure.points.monitor import Event
from tests.insight.made import HOUR, JOB, NS, T0_S, at, expected, history, run
from tests.insight.plain_store import PlainStore

NOW = 6.5 * HOUR
HOURLY = expected(first_seen=-0.5 * HOUR, schedule="0 * * * *", timezone="UTC", grace_s=600.0)


class Store(PlainStore):
    """A store of some runs and expectations."""

    def __init__(self, runs: Sequence[RunRecord], expectations: Sequence[ExpectedJob]) -> None:
        super().__init__(b"", at(NOW))
        self._runs = list(runs)
        self._expectations = expectations

    def expectations(self) -> Sequence[ExpectedJob]:
        return self._expectations


def shown(
    runs: Sequence[RunRecord], *expectations: ExpectedJob, events: Sequence[Event] = ()
) -> list[tuple[Kind, float, float, int]]:
    """Returns what a timeline of the time until now has, in hours."""
    found = checked(Store(runs, expectations), history(NOW))
    return [
        (kind, (from_ns / NS - T0_S) / HOUR, (until_ns / NS - T0_S) / HOUR, dues)
        for kind, from_ns, until_ns, dues in stretches(found, JOB, runs, events, at(-HOUR))
    ]


def hourly(*hours: float) -> list[RunRecord]:
    """Returns runs of half an hour at some hours."""
    return [run(hour * HOUR, (hour + 0.5) * HOUR) for hour in hours]


def gaps(*values: tuple[Kind, float, float, int]) -> list[tuple[Kind, float, float, int]]:
    """Returns what is no run."""
    return [each for each in values if each[0] not in {OK, FAILED, OPEN}]


def test_runs_are_stretches_from_start_to_end() -> None:
    """An open one goes on until now."""
    runs = [run(0, HOUR), run(HOUR, 1.5 * HOUR, reason=names.REASON_ERROR), run(6 * HOUR)]
    assert shown(runs) == [(OK, 0, 1, 1), (FAILED, 1, 1.5, 1), (OPEN, 6, 6.5, 1)]


def test_nothing_is_missing_if_each_due_time_has_its_run() -> None:
    """Also where nothing is expected."""
    assert gaps(*shown(hourly(0, 1, 2, 3, 4, 5, 6), HOURLY)) == []
    assert gaps(*shown(hourly(0, 5))) == []


def test_a_gap_lasts_until_the_next_run() -> None:
    """Due times in a row are one gap, which counts them."""
    assert gaps(*shown(hourly(0, 1, 4, 5, 6), HOURLY)) == [(MISSED, 2, 4, 2)]


def test_a_gap_that_goes_on_lasts_until_now() -> None:
    """It begins at the first due time without a run."""
    assert gaps(*shown(hourly(0, 1, 2, 3), HOURLY)) == [(MISSED, 4, 6.5, 3)]


def test_a_late_run_ends_its_gap() -> None:
    """Each of several late runs has a gap of its own before it."""
    late = shown(hourly(0, 1.5, 2.5, 3, 4, 5, 6), HOURLY)
    assert gaps(*late) == [(MISSED, 1, 1.5, 1), (MISSED, 2, 2.5, 1)]


def test_a_skipped_due_time_is_no_miss() -> None:
    """It is as long as its grace."""
    skip = Event(job=JOB, event=names.EVENT_SKIPPED, at_ns=at(2 * HOUR), due_ns=at(2 * HOUR), detail="holiday")
    found = gaps(*shown(hourly(0, 1, 3, 4, 5, 6), HOURLY, events=[skip]))
    assert [(kind, from_h, dues) for kind, from_h, _, dues in found] == [(SKIPPED, 2, 1)]


def test_a_host_has_its_own_gaps() -> None:
    """The runs of another host do not fill them."""
    here = expected(first_seen=-0.5 * HOUR, host="a", schedule="0 * * * *", timezone="UTC", grace_s=600.0)
    elsewhere = [run(2 * HOUR, 2.5 * HOUR, uuid="other", host="b")]
    assert gaps(*shown([*hourly(0, 1, 3, 4, 5, 6), *elsewhere], here)) == [(MISSED, 2, 3, 1)]


def test_only_the_time_whose_runs_are_all_known_is_shown() -> None:
    """If only the latest runs of a period were read, the time before them would look like a gap."""
    runs = hourly(1, 2, 3)
    assert since_of(runs, 4, at(0)) == at(0)
    assert since_of(runs, 3, at(0)) == at(HOUR)
