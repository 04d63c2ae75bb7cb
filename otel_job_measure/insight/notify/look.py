"""What a check found, as people are told of it."""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace

from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.insight.check import Checked
from otel_job_measure.insight.findings import FAILING, LEVELS, UNKNOWN, Finding
from otel_job_measure.insight.limits import ended_ns
from otel_job_measure.insight.notify.notices import Trouble
from otel_job_measure.insight.notify.notifier import Look
from otel_job_measure.insight.run_store import RunStore, Wanted
from otel_job_measure.names import EVENT_MISSED

_REFUTED_NS = 8 * 86_400 * 10**9
_NO_JOB = JobId("")


@dataclass(frozen=True, slots=True)
class _Undecided(Container[JobId]):
    """The jobs that were not looked at, and those of which rows are missing."""

    wants: Callable[[JobId], bool]
    unknown: frozenset[JobId]

    def __contains__(self, job: object) -> bool:
        return isinstance(job, JobId) and job != _NO_JOB and (job in self.unknown or not self.wants(job))


def look_of(found: Checked, store: RunStore, wants: Callable[[JobId], bool]) -> Look:
    """Returns what a check found for the notifier.

    Args:
        found: The check.
        store: The store that was asked: it knows which misses late data refuted.
        wants: Which jobs were looked at; of the others, nothing ends.
    """
    troubles = [_trouble(_NO_JOB, about.host or "", about.finding) for about in found.abouts]
    suppressed: set[tuple[str, ...]] = set()
    unknown: set[JobId] = set()
    for each in found.judgements:
        told = found.told(each)
        its = [(_trouble(each.job, each.host or "", finding), finding in told) for finding in each.findings]
        troubles += [trouble for trouble, is_told in its if is_told and trouble.level]
        suppressed |= {trouble.key for trouble, is_told in its if not is_told and trouble.level}
        if any(finding.is_behind or finding.name == UNKNOWN for finding in each.findings):
            unknown.add(each.job)
    refuted = {
        (event.job, event.due_ns)
        for event in store.events(found.at_ns - _REFUTED_NS)
        if event.event == EVENT_MISSED and event.withdrawn and event.due_ns is not None
    }
    return Look(
        troubles=troubles, undecided=_Undecided(wants, frozenset(unknown)), suppressed=suppressed, refuted=refuted
    )


class _Everything(Container[JobId]):
    """All jobs, hosts and stores."""

    def __contains__(self, job: object) -> bool:
        return True


def look_in_vain(finding: Finding) -> Look:
    """Returns a look that a store did not answer, for the notifier: nothing ends."""
    return Look(troubles=[_trouble(_NO_JOB, "", finding)], undecided=_Everything())


def detailing(store: RunStore, output_of: Callable[[str], Mapping[str, bytes]]) -> Callable[[Trouble], Trouble]:
    """Returns what adds the last success, the run's error and the last line of its output to a finding.

    Args:
        store: The store that was asked.
        output_of: Returns the kept output of a run by its uuid, by the stream.
    """

    def detailed(trouble: Trouble) -> Trouble:
        job = trouble.job
        if job == _NO_JOB:
            return trouble
        last = next(iter(store.last_runs(Wanted.of_job(job))), None)
        success = None if last is None or last.success is None else ended_ns(last.success)
        uuid = trouble.uuid or (last.run.uuid if last is not None and trouble.finding == FAILING else None)
        run = next(iter(store.find(uuid, 1)), None) if uuid else None
        return replace(
            trouble,
            last_success_ns=success,
            uuid=uuid,
            error_type=None if run is None else run.error_type,
            last_line=_last_line(output_of(uuid)) if uuid else None,
        )

    return detailed


def _trouble(job: JobId, host: str, finding: Finding) -> Trouble:
    return Trouble(
        job=job,
        finding=finding.name,
        level=LEVELS[finding.name],
        host=host,
        since_ns=finding.since_ns,
        due_ns=finding.due_ns,
        detail=finding.detail,
        uuid=finding.uuid,
    )


def _last_line(output: Mapping[str, bytes]) -> str | None:
    for stream in ("stderr", "stdout"):
        text = output.get(stream, b"").decode("utf-8", "replace").strip()
        if text:
            return text.rpartition("\n")[2]
    return None
