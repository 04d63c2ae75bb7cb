"""Runs of some jobs, and the report of them."""

from dataclasses import replace

from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight.check import checked
from otel_job_measure.insight.report.report import Report, report
from tests.insight.made import DAY, HOUR, at, history, run
from tests.insight.plain_store import PlainStore


class Store(PlainStore):
    """A store of some runs."""

    def __init__(self, *runs: RunRecord) -> None:
        super().__init__(b"", at(30))
        self._runs = list(runs)


class Pruned(Store):
    """A store that keeps runs for 30 days, and the last run of each job for ever."""

    def keeps_s(self) -> float | None:
        return 30 * DAY


def of(*runs: RunRecord, days: float = 7) -> Report:
    """Returns the report of some runs."""
    store = Store(*runs)
    return report(store, checked(store, history(30)), since_ns=at(30 - days * DAY))


def daily(job: str, took_s: float, first: int, last: int, failing: int = 0) -> list[RunRecord]:
    """Returns a run a day, from so many days ago to so many; the first ones of them fail."""
    made: list[RunRecord] = []
    for number, ago in enumerate(range(first, last, -1)):
        reason = {"reason": "error", "error_type": "ValueError"} if number < failing else {}
        begin = -ago * DAY + HOUR
        made.append(replace(run(begin, begin + took_s, uuid=f"{job}{ago}", **reason), job=job))
    return made
