"""`with measure.run("nightly") as run:`, the entry point for any block of code."""

from types import TracebackType

from otel_job_measure import names
from otel_job_measure.entrypoints.keyed import RunOptions, open_run
from otel_job_measure.errors import MisuseError
from otel_job_measure.spans.active_run import ActiveRun, Opener
from otel_job_measure.spans.naming import usable_name
from otel_job_measure.spans.run import JobRun


class RunBlock:
    """One run of a job, as `with` or as `async with`."""

    __slots__ = ("_name", "_opener", "_options", "_run")

    def __init__(self, opener: Opener, name: str, options: RunOptions | None = None) -> None:
        self._opener = opener
        self._options = options
        self._run: ActiveRun | None = None
        try:
            self._name = name if type(name) is str and name else usable_name(name, "the name given to run()")
        except Exception:  # noqa: BLE001 - no memory: the block runs all the same
            self._name = names.UNNAMED

    def __enter__(self) -> JobRun:
        run = self._open()
        try:
            run.begin()
            run.wait_for_start()
            run.current.__enter__()
        except BaseException as error:
            run.finish(error)
            raise
        return run.job_run

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._run is None:
            return
        try:
            self._run.finish(error)
        except BaseException:  # an interruption before the first line of `finish`
            self._run.finish(error)
            raise

    async def __aenter__(self) -> JobRun:
        run = self._open()
        try:
            run.begin()
            await run.wait_for_start_async()
            run.current.__enter__()
        except BaseException as error:
            run.finish(error)
            raise
        return run.job_run

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def _open(self) -> ActiveRun:
        if self._run is not None:
            raise MisuseError(f"a run of {self._name!r} was entered twice; call run() again for another run")
        if self._options:
            self._run = open_run(self._opener, self._name, self._options)
        else:
            self._run = self._opener.open(self._name)
        return self._run
