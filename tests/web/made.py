"""Jobs of a small company as a history has them, some of them in trouble; and jobs with odd names."""

import math
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from otel_job_measure import names
from otel_job_measure.clock import SystemClock
from otel_job_measure.expectations.encoding import encode
from otel_job_measure.expectations.expectation import Expectation, ExpectedJob, JobId, Version
from otel_job_measure.history.history import History
from otel_job_measure.journal.interfaces import Chunk
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.points.monitor import Alive, Expected
from otel_job_measure.points.monitor_rows import line_of
from otel_job_measure.points.outcome import Ending, Outcome
from otel_job_measure.points.rows import Series, ending_lines, start_line
from otel_job_measure.points.tags import DefaultTags
from otel_job_measure.testing import ManualClock

NS: Final = 10**9
MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86_400
ERRORS: Final = ("ConnectionError", "TimeoutError", "psycopg.OperationalError")
ODD: Final = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "n" * 1024,
    "\u05d2\u05d9\u05d1\u05d5\u05d9 \u05dc\u05d9\u05dc\u05d9",
    "\u202eright to left\u202c",
    "Z\u0351\u0352a\u0300\u0301\u0302l\u0316\u0317go",
    "escape \x1b[31mred\x1b[0m",
    "a/b?c=d&e#f%00",
    "{{ 7 * 7 }}",
    " ",
    "🚂 über Zürich",
)


class Made:
    """The lines of a history; times are seconds before now."""

    def __init__(self, now_ns: int, seed: int = 7) -> None:
        self.now_ns = now_ns
        self.random = random.Random(seed)
        self.lines: list[bytes] = []
        self._count = 0

    def at(self, ago_s: float) -> int:
        """Returns a time in ns since 1970."""
        return self.now_ns - int(ago_s * NS)

    def run(
        self,
        job: JobId,
        ago_s: float,
        took_s: float | None,
        reason: str | None = None,
        **values: Any,  # noqa: ANN401 - further fields
    ) -> str:
        """Adds a run; without a duration it is open."""
        self._count += 1
        uuid = values.pop("uuid", None) or f"r{self._count:09}xy"
        series = Series(job.job, DefaultTags(project=job.project or None, stage=job.stage or None))
        self.lines.append(start_line(series, uuid, self.at(ago_s)))
        if took_s is not None:
            outcome = Outcome(reason, values.pop("error_type", None), values.pop("error_message", None))
            end_ns = self.at(ago_s) + int(took_s * NS)
            measured = None if reason == names.REASON_LOST else took_s
            values = {"host": "web-1", "duration_s": measured, **values}
            ending = Ending(uuid, outcome, end_ns, **values)
            self.lines.append(ending_lines(series, ending, run_row=True, error_message=True))
        return uuid

    def alive(self, job: JobId, uuid: str, ago_s: float, age_s: float) -> None:
        """Adds a sign of life."""
        tags = {names.TAG_JOB: job.job, names.TAG_PROJECT: job.project, names.TAG_STAGE: job.stage}
        tags = {name: value for name, value in tags.items() if value}
        sign = Alive(tags=tags, at_ns=self.at(ago_s), uuid=uuid, host="web-1", age_s=age_s, interval_s=60.0)
        self.lines.append(line_of(sign))

    def expect(self, job: JobId, since_s: float = 30 * DAY, **limits: Any) -> None:  # noqa: ANN401 - of `Expectation`
        """Adds an expectation."""
        since_ns = self.at(since_s)
        version = Version(since_ns, Expectation(**limits))
        expected = ExpectedJob(job=job, source="file", first_seen_ns=since_ns, versions=(version,))
        row = Expected(job=job, at_ns=since_ns, source="file", version=1, text=encode(expected))
        self.lines.append(line_of(row))

    def every(self, job: JobId, step_s: float, days: float = 7, until_s: float = 0, **how: Any) -> Iterator[float]:  # noqa: ANN401 - of `usual`
        """Adds runs at round times, and yields when each was."""
        first = math.floor(self.now_ns / NS / step_s) * step_s
        ago_s = self.now_ns / NS - first
        times: list[float] = []
        while ago_s < days * DAY:
            if ago_s >= until_s:
                times.append(ago_s)
            ago_s += step_s
        for each in reversed(times):
            self.usual(job, each, **how)
            yield each

    def usual(
        self,
        job: JobId,
        ago_s: float,
        usual_s: float = 8,
        failing: float = 0.01,
        spread: float = 0.25,
        **values: Any,  # noqa: ANN401 - further fields
    ) -> None:
        """Adds a run that takes about as long as usual, and seldom fails."""
        took_s = min(usual_s * math.exp(self.random.gauss(0, spread)), max(0.1, ago_s - 0.5))
        lag_s = abs(self.random.gauss(0.4, 0.5)) + 0.02
        values = {"lag_s": lag_s, "trigger": "schedule", "host": self.random.choice(("web-1", "web-2")), **values}
        values["trace_id"] = f"{self.random.getrandbits(128):032x}"
        if self.random.random() < failing:
            error = self.random.choice(ERRORS)
            values |= {"error_type": error, "error_message": f"{error}: the database does not answer"}
            self.run(job, ago_s - lag_s, took_s * 0.6, names.REASON_ERROR, **values)
        else:
            self.run(job, ago_s - lag_s, took_s, **values)

    def write(self, folder: Path) -> None:
        """Makes a state directory whose history has all of it."""
        state = StateDir(folder)
        state.make()
        # Its time stands still: a machine that is busy for five seconds would end a transaction.
        history = History(state.history, retention_s=1e9, clock=ManualClock(wall=SystemClock.wall_ns()))
        for number in range(0, len(self.lines), 20_000):
            data = b"".join(self.lines[number : number + 20_000])
            history.fold([Chunk(segment=f"local-{number}.lp", offset=0, data=data, host="")], patience_s=60)


def all_of(found: Iterable[object]) -> None:
    """Runs a generator to its end."""
    for _ in found:
        pass


def company(now_ns: int, days: float = 7, fine: int = 24) -> Made:
    """Returns the jobs of a small company: each kind of trouble once, and many jobs that are fine."""
    made = Made(now_ns)
    backup = JobId("nightly-backup", "ops", "production")
    made.expect(backup, since_s=19 * DAY, schedule="0 0 * * *", timezone="UTC", grace_s=1800)
    all_of(made.every(backup, DAY, 20, until_s=2.2 * DAY, usual_s=1900, failing=0.0))
    export = JobId("invoice-export", "billing", "production")
    made.expect(export, schedule="0 * * * *", timezone="UTC")
    all_of(made.every(export, HOUR, days, until_s=4 * HOUR, usual_s=42, failing=0.04))
    for number in range(4):
        ago_s = (made.now_ns / NS) % HOUR + number * HOUR
        error = {"error_type": "ConnectionError", "error_message": "ledger.internal:5432 refused the connection"}
        made.run(
            export,
            ago_s,
            min(3.4, ago_s),
            names.REASON_ERROR,
            host="web-1",
            trace_id="0af7651916cd43dd8448eb211c80319c",
            **error,
        )
    index = JobId("search-reindex", "shop", "production")
    made.expect(index, schedule="*/15 * * * *", timezone="UTC")
    all_of(made.every(index, 15 * MINUTE, days, until_s=5 * HOUR, usual_s=21, failing=0.008))
    all_of(made.every(index, 15 * MINUTE, 5 / 24, usual_s=71, failing=0.0))
    letter = JobId("send-newsletter", "shop", "production")
    made.expect(letter, max_runtime_s=HOUR)
    all_of(made.every(letter, DAY, days, until_s=DAY, usual_s=1500, failing=0.0))
    uuid = made.run(letter, 3.2 * HOUR, None)
    made.alive(letter, uuid, 20, 3.2 * HOUR)
    pay = JobId("payments-reconcile", "billing", "production")
    all_of(made.every(pay, 6 * HOUR, days, until_s=6 * HOUR, usual_s=310, failing=0.0))
    made.alive(pay, made.run(pay, 2 * HOUR, None), 1.2 * HOUR, 0.8 * HOUR)
    never = JobId("cleanup-tmp", "ops", "production")
    made.expect(never, since_s=3 * DAY, schedule="30 4 * * *", timezone="UTC")
    stale = JobId("certificates-renew", "ops", "production")
    made.expect(stale, max_age_s=3 * DAY)
    all_of(made.every(stale, DAY, 20, until_s=4 * DAY, usual_s=12, failing=0.0))
    crm = JobId("sync-crm", "sales", "production")
    made.expect(crm, schedule="*/5 * * * *", timezone="UTC")
    all_of(made.every(crm, 5 * MINUTE, min(days, 4), usual_s=2.4, failing=0.03))
    killed = JobId("import-orders", "shop", "staging")
    all_of(made.every(killed, HOUR, days, until_s=HOUR, usual_s=95, failing=0.05))
    made.run(killed, 1800, 600, names.REASON_LOST)
    words = ("cache-warm", "thumbnails", "stock-sync", "price-feed", "mail-queue", "audit-trail", "rates", "sitemap")
    for number in range(fine):
        project = ("billing", "shop", "sales", "data", "ops")[number % 5]
        job = JobId(
            f"{words[number % len(words)]}-{number // len(words) + 1}",
            project,
            "production" if number % 4 else "staging",
        )
        step = (HOUR, 30 * MINUTE, 6 * HOUR, DAY)[number % 4]
        made.expect(job, every_s=step, grace_s=step / 2)
        all_of(made.every(job, step, days, usual_s=0.02 * 4 ** (number % 8), failing=0.01 * (number % 3)))
    return made


def odd(now_ns: int) -> Made:
    """Returns jobs with odd names, and runs of odd times and lengths."""
    made = Made(now_ns)
    for name in ODD:
        job = JobId(name, "<b>shop</b>", "\u202eproduction")
        all_of(made.every(job, HOUR, 1, usual_s=5, failing=0.3))
    lengths = JobId("lengths")
    for number, took_s in enumerate((0.0, 1e-9, 1e-6, 0.5, 3.0, 86_400.0, 1e7)):
        made.run(lengths, 1e7 + 60 * (20 - number), took_s)
    times = JobId("times")
    made.run(times, now_ns / NS + 10 * DAY, 5.0)  # before 1970
    made.run(times, -80 * 365 * DAY, 5.0)  # far ahead
    made.run(times, HOUR, 5.0)
    made.run(JobId("only open"), 60, None)
    made.run(JobId("only one"), 60, 1.0)
    return made
