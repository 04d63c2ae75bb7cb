"""Opens runs, each with its span; all doors go through here."""

from opentelemetry.trace import SpanKind

from otel_job_measure.spans.active_run import UNMEASURED, ActiveRun
from otel_job_measure.spans.means import Means


class Opener(Means):
    """Opens the runs of one `JobMeasure`."""

    __slots__ = ()

    def open(
        self,
        name: str,
        *,
        expected: tuple[type[BaseException], ...] = (),
        kind: SpanKind = SpanKind.INTERNAL,
        swallow: bool = False,
    ) -> "ActiveRun":
        """Makes a run that has not begun yet.

        Args:
            name: The job's name.
            expected: Exceptions that are no failure of the job.
            kind: The span's kind; CONSUMER where the job came from a queue.
            swallow: Whether an `Exception` of the job is logged and goes no further.

        Returns:
            A context manager around the job, for one run.
        """
        try:
            if self.troubles:
                self.tell()
            return ActiveRun(self, name, expected, kind, swallow=swallow and not self.disabled)
        except Exception as error:  # noqa: BLE001 - no memory: the job runs all the same
            self.troubles.append(error)
            return UNMEASURED
