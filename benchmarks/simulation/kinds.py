"""Jobs of many kinds, and what becomes of each of their due times."""

import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, Final

from benchmarks.simulation.jobs import Job, Ran
from benchmarks.simulation.world import DAY, HOUR, MINUTE, World
from otel_job_measure import names
from otel_job_measure.expectations.dues import Due, dues
from otel_job_measure.expectations.expectation import DueList, Expectation, ExpectedJob, JobId, Version
from otel_job_measure.insight.matching import early_ns
from otel_job_measure.points.monitor import Event

_ZONES: Final = ("Europe/Berlin", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe")
_SCHEDULES: Final = (
    *("*/5 * * * *",) * 1,
    *("*/15 * * * *",) * 3,
    *("7 * * * *",) * 16,
    *("0 */6 * * *",) * 30,
    *("30 2 * * *",) * 30,
    *("15 1 * * *",) * 50,
    *("0 3 * * 1",) * 20,
    *("0 0 1 * *",) * 10,
)
_MISS: Final = 0.004
_AHEAD: Final = "ahead"


def _all_dues(expected: ExpectedJob, world: World) -> list[Due]:
    """Returns the due times of the whole time; one question returns at most some months of a frequent job."""
    borders = [*range(0, world.days, 30), world.days]
    return [
        due
        for early, late in pairwise(borders)
        for due in dues(expected, world.ns(early * DAY), world.ns(late * DAY)).dues
    ]


class _Maker:
    """Makes one job."""

    def __init__(self, chance: random.Random, world: World, number: int) -> None:
        self.chance = chance
        self.world = world
        self.number = number
        self.end_s = world.days * DAY

    def host(self, *, may_be_ahead: bool = True) -> str:
        """Returns any host."""
        return self.chance.choice([host for host in self.world.hosts if may_be_ahead or host != _AHEAD])

    def limits(self, **others: Any) -> Expectation:  # noqa: ANN401 - of an expectation
        """Returns limits with a schedule in some zone."""
        values: dict[str, Any] = {
            "schedule": self.chance.choice(_SCHEDULES),
            "timezone": self.chance.choice(_ZONES),
            "max_runtime_s": 20 * MINUTE,
            "failures": self.chance.choice([1, 1, 3]),
        }
        return Expectation(**(values | others))

    def job(self, kind: str, *versions: tuple[float, Expectation], **values: Any) -> Job:  # noqa: ANN401 - of an ExpectedJob
        """Returns a job without runs."""
        stage = values.pop("stage", "production")
        expected = ExpectedJob(
            job=JobId(f"job{self.number:03}", "simulated", stage),
            source="scheduler",
            first_seen_ns=self.world.ns(0),
            versions=tuple(Version(self.world.ns(at_s), limits) for at_s, limits in versions),
            **values,
        )
        return Job(kind=kind, expected=expected)

    def run_all(
        self, job: Job, host_at: Callable[[float], str], *, tells_lag: bool, until_s: float = float("inf")
    ) -> Job:
        """Runs a job at its due times: one at a time if its scheduler tells lags, else each for itself."""
        world, chance = self.world, self.chance
        job.dues = _all_dues(job.expected, world)
        busy_s = -1.0
        for number, due in enumerate(job.dues):
            at_s = (due.at_ns - world.ns(0)) / 1e9
            host = host_at(at_s)
            # Beat stands elsewhere and its workers may be ahead; all others run by the clock of their own host.
            skew_s, lead_s = world.hosts[host], world.hosts[host] if job.kind == "beat" else 0.0
            true_s = at_s - skew_s + lead_s
            if tells_lag and busy_s > true_s:
                self._say_skipped(job, due)
                continue
            delay_s = self.delay_s(due)
            is_late = tells_lag and chance.random() < _MISS
            if is_late:  # made up for long after its grace
                delay_s = due.grace_s + min(due.gap_s / 2, HOUR)
            start_s = true_s + delay_s
            is_away = world.is_dead(host, start_s) or world.is_dead(host, start_s + 3) or true_s >= until_s
            if is_late or is_away or chance.random() < _MISS:
                job.absent.add(due.at_ns)
            if due.at_ns in job.absent and not (is_late and not is_away):
                continue
            first = self.ran(job, host, start_s, f"{number}", due)
            first.lag_s = max(delay_s, 0.0) + lead_s if tells_lag else None
            first.trigger = chance.choice([None, "schedule"])
            for ran in (first, *self._retries(job, first, due)):
                job.runs.append(ran)
                busy_s = ran.sign_s if ran.is_killed else ran.end_s
        return job

    def _retries(self, job: Job, first: Ran, due: Due) -> Iterable[Ran]:
        """Returns the second attempt of a run that fails, if its scheduler retries."""
        if job.kind not in {"app", "beat"} or first.reason is None or first.is_killed or due.gap_s < HOUR:
            return ()
        again = self.ran(job, first.host, first.end_s + 30, f"{first.uuid.rpartition('-')[2]}-2")
        if again.is_killed:
            return ()
        first.task_id, first.attempt, first.reason = f"{first.uuid}-task", 1, names.REASON_RETRY
        again.task_id, again.attempt, again.trigger = first.task_id, 2, "retry"
        again.reason = self.chance.choice([None, None, names.REASON_ERROR])
        return (again,)

    def delay_s(self, due: Due) -> float:
        """Most runs start at once, some late in their grace, a few up to a minute early."""
        kind = self.chance.random()
        if kind < 0.9:
            return self.chance.uniform(0.05, 2.0)
        if kind < 0.98:
            return self.chance.uniform(0.0, 0.98 * due.grace_s)
        return -self.chance.uniform(0.0, 0.98 * early_ns(due) / 1e9)

    def _say_skipped(self, job: Job, due: Due) -> None:
        """Some schedulers say that they skip a due time, others do not."""
        if self.chance.random() < 0.5:
            event = Event(job=job.expected.job, event=names.EVENT_SKIPPED, at_ns=due.at_ns, due_ns=due.at_ns)
            job.skipped.append(event)

    def ran(self, job: Job, host: str, start_s: float, name: str, due: Due | None = None) -> Ran:
        """Makes a run: most end well, some fail, a few go on for too long or are killed."""
        chance, kind = self.chance, self.chance.random()
        took_s = chance.lognormvariate(3.0, 0.8) if kind < 0.99 else chance.uniform(5, 15) * MINUTE
        if kind > 0.998:
            took_s = chance.uniform(21, 50) * MINUTE
        ran = Ran(
            uuid=f"{job.expected.job.job}-{job.expected.job.stage[:1]}-{name}",
            host=host,
            start_s=start_s,
            end_s=start_s + took_s,
            due_ns=None if due is None else due.at_ns,
        )
        if chance.random() < 0.02:
            ran.reason = chance.choice([names.REASON_ERROR, names.REASON_TIMEOUT])
        death = self.world.death_in(host, start_s, ran.end_s + 3)
        if death is not None:  # its end is written when the host is back
            ran.is_killed, ran.end_s, ran.lost_s = True, death.from_s, death.until_s + MINUTE
        elif chance.random() < 0.001:
            ran.is_killed, ran.end_s = True, start_s + min(took_s, chance.uniform(5, 300))
            ran.lost_s = ran.end_s + chance.choice([40.0, 2 * HOUR])
        return ran

    def settled(self, job: Job) -> Job:
        """Adds runs by hand, says when rows arrive, and takes away the absent due times that a live run spans."""
        world, host = self.world, job.runs[0].host if job.runs else self.host()
        for number in range(world.days // 20):
            at_s = self.chance.uniform(DAY, self.end_s - DAY)
            ran = self.ran(job, host, at_s, f"{number}-hand")
            if not world.is_dead(host, at_s) and not ran.is_killed:
                ran.trigger = "manual"
                job.runs.append(ran)
        job.runs.sort(key=lambda ran: ran.start_s)
        absent = sorted(job.absent)
        for ran in job.runs:
            skew_s = world.hosts[ran.host]
            ran.start_arrives_s = world.arrives_s(ran.host, ran.start_s)
            ran.end_arrives_s = world.arrives_s(ran.host, ran.lost_s if ran.is_killed else ran.end_s)
            lived_s = ran.sign_s if ran.is_killed else ran.end_s
            from_ns, until_ns = world.ns(ran.start_s + skew_s), world.ns(lived_s + skew_s)
            job.absent.difference_update(absent[bisect_right(absent, from_ns) : bisect_left(absent, until_ns)])
        return job


def _app(make: _Maker) -> Job:
    """A job of a scheduler that tells each lag, always on one host."""
    host = make.host()
    return make.run_all(make.job("app", (0, make.limits())), lambda _: host, tells_lag=True)


def _staging(make: _Maker) -> Job:
    """A job of the name that another one has in production."""
    make.number -= 1
    host = make.host()
    return make.run_all(make.job("staging", (0, make.limits()), stage="staging"), lambda _: host, tells_lag=True)


def _crontab(make: _Maker) -> Job:
    """A line of a crontab, on one host, which tells no lag."""
    host = list(make.world.hosts)[make.number % len(make.world.hosts)]
    job = make.job("crontab", (0, make.limits(scope="host")), host=host)
    return make.run_all(job, lambda _: host, tells_lag=False)


def _leader(make: _Maker) -> Job:
    """A job that runs wherever the leader is, which moves each day and leaves dead hosts."""
    hosts = [host for host in make.world.hosts if host != _AHEAD][:4]

    def leader(at_s: float) -> str:
        first = int(at_s / DAY) + make.number
        order = [hosts[(first + step) % len(hosts)] for step in range(len(hosts))]
        return next((host for host in order if not make.world.is_dead(host, at_s)), order[0])

    return make.run_all(make.job("leader", (0, make.limits())), leader, tells_lag=True)


def _changed(make: _Maker) -> Job:
    """A job whose schedule changes twice."""
    host, third_s = make.host(), make.end_s / 3
    job = make.job("changed", (0, make.limits()), (third_s, make.limits()), (1.5 * third_s, make.limits()))
    return make.run_all(job, lambda _: host, tells_lag=False)


def _beat(make: _Maker) -> Job:
    """An entry of a scheduler's database, disabled for a time: its due times come as lists."""
    host, world = make.host(), make.world
    known = [due.at_ns for due in _all_dues(make.job("", (0, make.limits())).expected, world)]
    borders = [world.ns(part * make.end_s) for part in (0, 0.25, 0.33, 1)]
    lists = [
        DueList(early, late - 1, tuple(due for due in known if early <= due < late))
        for early, late in pairwise(borders)
    ]
    lists[1] = lists[1]._replace(dues_ns=())
    limits = Expectation(by_scheduler=True, grace_s=2 * MINUTE, max_runtime_s=20 * MINUTE, failures=1)
    return make.run_all(make.job("beat", (0, limits), due_lists=tuple(lists)), lambda _: host, tells_lag=True)


def _deleted(make: _Maker) -> Job:
    """A job that is deleted from the code: it stops, and is retired a day later; or its app dies for good."""
    host, gone_s = make.host(), make.chance.uniform(0.4, 0.8) * make.end_s
    lives = make.number // 10 % 2 == 0
    retired_ns = make.world.ns(gone_s + DAY) if lives else None
    job = make.job("deleted", (0, make.limits()), retired_ns=retired_ns)
    return make.run_all(job, lambda _: host, tells_lag=True, until_s=gone_s)


def _every(make: _Maker) -> Job:
    """A job with an interval, which also runs at each deploy."""
    chance, world, host = make.chance, make.world, make.host(may_be_ahead=False)
    every_s = chance.choice([15 * MINUTE, HOUR, 6 * HOUR, DAY])
    job = make.job("every", (0, Expectation(every_s=every_s, max_runtime_s=20 * MINUTE, failures=1)))
    deploys = iter(sorted(chance.uniform(0, make.end_s) for _ in range(world.days // 6)))
    deploy_s, at_ns, every_ns = next(deploys, make.end_s), world.ns(every_s), round(every_s * 1e9)
    while (at_s := (at_ns - world.ns(0)) / 1e9) < make.end_s:
        due: Due | None = Due(at_ns, min(max(every_s / 10, MINUTE), HOUR), every_s)
        start_s = at_s + abs(make.delay_s(Due(0, MINUTE, every_s)))
        if deploy_s < at_s - MINUTE:
            start_s, deploy_s, due = deploy_s, next(deploys, make.end_s), None
        elif deploy_s < start_s + MINUTE:
            deploy_s = next(deploys, make.end_s)
        is_away = world.is_dead(host, start_s) or world.is_dead(host, start_s + 3)
        if due is not None:
            job.dues.append(due)
            if is_away or chance.random() < _MISS:
                job.absent.add(due.at_ns)
                if deploy_s <= at_s + due.grace_s:  # it would come in time
                    deploy_s = next(deploys, make.end_s)
                at_ns += every_ns
                continue
        if not is_away:
            job.runs.append(make.ran(job, host, start_s, f"{len(job.runs)}", due))
            at_ns = world.ns(start_s) + every_ns
    return job


_KINDS: Final = (_crontab, _app, _staging, _leader, _every, _changed, _beat, _crontab, _deleted, _crontab)


def made(seed: int, world: World, count: int) -> list[Job]:
    """Returns jobs of all kinds."""
    chance = random.Random(seed)  # noqa: S311 - a simulation
    makers = [_Maker(chance, world, number) for number in range(count)]
    return [make.settled(_KINDS[place % len(_KINDS)](make)) for place, make in enumerate(makers)]
