"""The drill: a job of its own misses a run, hangs, falls silent and fails, and the targets are told of each."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from otel_job_measure import names
from otel_job_measure.insight.doctor.finding import PROBLEM, WARNING, Budget, Finding, span
from otel_job_measure.insight.doctor.rehearsal import (
    EVERY_S,
    GRACE_S,
    HEARTBEAT_S,
    MOST_S,
    Accepting,
    Checker,
    folder_of,
    waited,
)
from otel_job_measure.insight.doctor.removal import Series, removed
from otel_job_measure.insight.doctor.server import Asked
from otel_job_measure.insight.findings import FAILING, MISSED, OVERRUN, SILENT
from otel_job_measure.insight.notify.target import Target
from otel_job_measure.points.text import clean_tag
from otel_job_measure.runtime.assembly import other_host
from otel_job_measure.runtime.measure import JobMeasure
from otel_job_measure.settings import Settings

WITHIN_S: Final = 60.0
_PAUSE_S: Final = 0.5
_REMOVAL_S: Final = 20.0
_OPENED: Final = "opened"
_CLEARED: Final = "cleared"
_MEASUREMENTS: Final = (names.POINTS, names.RUNS, names.ALIVE)
_TITLES: Final = {MISSED: "missed", OVERRUN: "stuck", SILENT: "silent", FAILING: "failed"}


class DrillError(Exception):
    """The failure of the drill's own job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """What a drill is made with.

    Args:
        root: The state directory in which its folder is made.
        settings: All settings.
        host: This machine.
        asked: The InfluxDB that its rows go to and the check asks; None for the history.
        targets: Who is told.
        within_s: How long each notification may take, in seconds.
    """

    root: Path
    settings: Settings
    host: str
    asked: Asked | None
    targets: Sequence[Target]
    within_s: float = WITHIN_S

    @property
    def name(self) -> str:
        """The name of its job, and of its host."""
        return clean_tag(f"{names.DRILL}-{self.host}")

    def run(self, tell: Callable[[Finding], object]) -> None:
        """Tells what happens as it happens; removes everything afterwards, whatever ends it.

        Args:
            tell: Gets each finding.

        Raises:
            JobMeasureError: The drill cannot begin, or the store does not answer.
        """
        removal: list[Finding] = []
        try:
            with folder_of(self.root) as folder, other_host(self.name):
                jobs = self._settings_of_jobs(folder / "jobs")
                targets = [Accepting(target) for target in self.targets]
                checker = Checker(folder, self.name, jobs, self.asked, targets)
                try:
                    with closing(JobMeasure(jobs)) as measure:
                        for finding in _Acts(self, measure, checker).all():
                            tell(finding)
                finally:
                    removal.append(self._removed())
        finally:
            for finding in removal:
                tell(finding)

    def _settings_of_jobs(self, state_dir: Path) -> Settings:
        """Returns the settings of the job's side: the user's own, with short intervals and a folder of the drill's."""
        if self.asked is None:
            settings = self.settings
            return Settings(
                project=settings.project,
                stage=settings.stage,
                link=settings.link,
                state_dir=state_dir,
                heartbeat_s=HEARTBEAT_S,
            )
        return self.settings.changed(
            state_dir=state_dir,
            heartbeat_s=HEARTBEAT_S,
            history=True,
            ship=True,
            disabled=False,
            confirm_start="off",
            runs=True,
        )

    def _removed(self) -> Finding:
        """Removes the rows of the drill from the server, and names what cannot be removed."""
        if self.asked is None:
            text = "Everything of the drill was removed: its folder with history and memory."
            return Finding(check="drill.removed", text=text)
        asked = replace(self.asked, budget=Budget(_REMOVAL_S))
        whys = [
            removed(asked, Series(_MEASUREMENTS, names.TAG_JOB, self.name)),
            removed(asked, Series((names.SENDERS,), names.TAG_HOST, self.name)),
        ]
        why = next(filter(None, whys), "")
        if not why:
            text = "Everything of the drill was removed: its rows in InfluxDB, and its folder with history and memory."
            return Finding(check="drill.removed", text=text)
        bucket = self.settings.influxdb_bucket
        text = (
            f"The folder of the drill was removed. Its rows stay in bucket {bucket} ({why}):"
            f" {', '.join(_MEASUREMENTS)} with job {self.name}, {names.SENDERS} with host {self.name}."
            " No check tells of them."
        )
        return Finding(check="drill.removed", level=WARNING, text=text, advice="delete them with a token that may")


class _Acts:
    """The acts of a drill, one after the other."""

    def __init__(self, drill: Drill, measure: JobMeasure, checker: Checker) -> None:
        self._drill = drill
        self._measure = measure
        self._checker = checker

    def all(self) -> Iterator[Finding]:
        """Yields a finding for each act."""
        began_s = time.monotonic()
        with self._measure.run(self._drill.name):
            pass
        started_s = began_s
        if not waited(self._is_seen, self._drill.within_s, _PAUSE_S):
            text = f"A good run was not seen within {span(self._drill.within_s)}, so the drill ends here."
            advice = "`otel-job-measure doctor` says what is wrong with the way of a run"
            yield Finding(check="drill.run", level=PROBLEM, text=text, advice=advice)
            return
        where = "the history" if self._drill.asked is None else "InfluxDB"
        text = f"A good run was delivered to {where} and seen there in {span(time.monotonic() - began_s)}."
        yield Finding(check="drill.run", text=text)
        yield from self._act(MISSED, started_s + EVERY_S + GRACE_S)
        handle = self._measure.start(self._drill.name, key=names.DRILL)
        try:
            yield from self._act(OVERRUN, time.monotonic() + MOST_S)
            self._measure.pipeline.journal.release(handle.uuid)  # as if its process was gone: no more signs of life
            yield from self._act(SILENT, time.monotonic())
        finally:
            self._measure.finish(handle, error=DrillError("the drill fails this run on purpose"))
        yield from self._act(FAILING, time.monotonic())
        with self._measure.run(self._drill.name):
            pass
        yield from self._over(time.monotonic())

    def _is_seen(self) -> bool:
        run = self._checker.last_run()
        if run is None:
            return False
        self._checker.expect(run.job_id)
        return True

    def _act(self, finding: str, since_s: float) -> Iterator[Finding]:
        """Waits until a finding is found, and until each target took it or refused it."""
        change = _OPENED, finding
        found_s: list[float] = []

        def is_told() -> bool:
            self._measure.pipeline.collect()  # so that the sender's next word is complete
            if finding in self._checker.look() and not found_s:
                found_s.append(self._checker.looked_s)
            return bool(found_s) and all(
                change in target.taken or change in target.refused for target in self._checker.targets
            )

        title = _TITLES[finding]
        waited(is_told, max(0.0, since_s - time.monotonic()) + self._drill.within_s, _PAUSE_S)
        if not found_s:
            text = f"The {title} run was not found within {span(self._drill.within_s)}."
            yield Finding(check=f"drill.{title}", level=PROBLEM, text=text, advice="see the warnings of `doctor`")
            return
        took_s = max(0.0, found_s[0] - since_s)
        yield Finding(
            check=f"drill.{title}",
            text=f"The {title} run was found after {took_s:.1f} s.",
            facts={"found_s": round(took_s, 3)},
        )
        yield from self._receipts(title, change, since_s)

    def _over(self, since_s: float) -> Iterator[Finding]:
        """Waits until the targets know that all is over: some of them page until then."""
        changes = [(_CLEARED, finding) for finding in (OVERRUN, SILENT, FAILING)]
        targets = [target for target in self._checker.targets if any(kind == _OPENED for kind, _ in target.taken)]

        def is_over() -> bool:
            found = self._checker.look()
            return found.isdisjoint(_TITLES) and all(
                change in target.taken or change in target.refused or (_OPENED, change[1]) not in target.taken
                for target in targets
                for change in changes
            )

        if not waited(is_over, self._drill.within_s, _PAUSE_S):
            text = "The end of the drill's findings was not told: an incident that they opened may stay open."
            yield Finding(check="drill.over", level=WARNING, text=text, advice=f"close what names {self._drill.name}")
            return
        took_s = time.monotonic() - since_s
        yield Finding(check="drill.over", text=f"A good run ended all findings after {took_s:.1f} s; the targets know.")

    def _receipts(self, title: str, change: tuple[str, str], since_s: float) -> Iterator[Finding]:
        for target in self._checker.targets:
            facts: dict[str, object] = {"target": target.shown, "run": title}
            if change in target.taken:
                took_s = max(0.0, target.taken[change] - since_s)
                level, more = (PROBLEM, f", more than {WITHIN_S:g} s") if took_s > WITHIN_S else (0, "")
                text = f"{target.shown} took the notification after {took_s:.1f} s{more}."
                facts |= {"took_s": round(took_s, 3)}
                yield Finding(check="drill.told", level=level, text=text, facts=facts)
                continue
            why = target.refused.get(change, f"no answer within {span(self._drill.within_s)}")
            text = f"{target.shown} was not told of the {title} run: {why}."
            advice = "mend the target, and try again; `check` would try it again after 30 s"
            yield Finding(check="drill.told", level=PROBLEM, text=text, advice=advice, facts=facts)
