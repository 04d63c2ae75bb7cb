"""`with measure.run("nightly") as run:`, the door for any block of code."""

from types import TracebackType

from otel_job_measure import names
from otel_job_measure.errors import MisuseError
from otel_job_measure.spans.active_run import ActiveRun
from otel_job_measure.spans.naming import usable_name
from otel_job_measure.spans.opener import Opener
from otel_job_measure.spans.run import JobRun


class RunDoor:
    """One run of a job, as `with` or as `async with`.

    Args:
        opener: Who opens the run.
        name: The job's name; whatever cannot be one is measured as `unnamed`, with a warning.
    """

    __slots__ = ("_name", "_opener", "_opening")

    def __init__(self, opener: Opener, name: str) -> None:
        self._opener = opener
        self._opening: ActiveRun | None = None
        try:
            self._name = name if type(name) is str and name else usable_name(name, "the name given to run()")
        except Exception:  # noqa: BLE001 - no memory, say: the block runs all the same
            self._name = names.UNNAMED

    def __enter__(self) -> JobRun:
        opening = self._begin()
        try:
            opening.wait_for_start()
            opening.current.__enter__()
        except BaseException as error:
            opening.end(error)
            raise
        return opening.job_run

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._opening is None:
            return
        try:
            self._opening.end(error)
        except BaseException:  # an interruption of the job, before the first line of that
            self._opening.end(error)
            raise

    async def __aenter__(self) -> JobRun:
        opening = self._begin()
        try:
            await opening.wait_for_start_async()
            opening.current.__enter__()
        except BaseException as error:
            opening.end(error)
            raise
        return opening.job_run

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def _begin(self) -> ActiveRun:
        if self._opening is not None:
            raise MisuseError(f"a run of {self._name!r} was entered twice; call run() again for another run")
        self._opening = self._opener.open(self._name)
        return self._opening.__enter__()
