"""`JobMeasure`: the settings, the journal, the shipper and the entry points of a team's jobs."""

# Before an app has made its tracer provider, wherever this is imported at the top of a file, as is usual. The client of
# InfluxDB brings it too, but only with the first `JobMeasure`: then the SDK's fork hook would come before that of the
# thread pools, whose lock it needs, and each forked child would wait for ever. See docs/decisions/0005.
import concurrent.futures.thread  # noqa: F401  # pyright: ignore[reportUnusedImport]
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Self, TypeVar, Unpack, overload

from otel_job_measure import names
from otel_job_measure.delivery.health import Health
from otel_job_measure.entrypoints import decorator, middleware
from otel_job_measure.entrypoints.context_manager import RunBlock
from otel_job_measure.entrypoints.keyed import KeyedRuns, RunOptions
from otel_job_measure.entrypoints.run_handle import RunHandle
from otel_job_measure.errors import SettingsError, UsageError
from otel_job_measure.expectations.arguments import Limits
from otel_job_measure.points.outcome import Outcome
from otel_job_measure.runtime.pickling import Packed, packed, unpacked
from otel_job_measure.runtime.pipeline import pipeline_for
from otel_job_measure.runtime.version import version
from otel_job_measure.settings import Arguments, Settings
from otel_job_measure.spans.active_run import Opener
from otel_job_measure.spans.reasons import NO_REASONS, Reasons, checked_reasons

if TYPE_CHECKING:
    from influxdb_client import InfluxDBClient  # type: ignore[attr-defined]
    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

_P = ParamSpec("_P")
_R = TypeVar("_R")
_PARTS = {
    "tracer_provider": ("a TracerProvider of OpenTelemetry", ("get_tracer",)),
    "meter_provider": ("a MeterProvider of OpenTelemetry", ("get_meter",)),
    "influxdb_client": ("an InfluxDBClient of influxdb-client", ("url", "org", "token", "api_client")),
}
_from_pickles: Final["dict[Packed, JobMeasure]"] = {}


class JobMeasure:
    """Measures jobs: each run opens a span and leaves `scheduling-job` points.

    Its arguments are those of `Settings`; what they leave unset comes from the environment. Runs that are opened
    through it are recorded even if their spans are not. One process needs one; several with one state directory
    and one destination share a journal.

    Args:
        settings: Ready settings; then the environment is left alone, and arguments beside it change single ones.
        tracer_provider: Where the runs' spans come from; None means the app's global provider, also one that is set
            later; while there is none, runs are recorded without a span.
        meter_provider: Where the metrics `otel_job_measure.points.…` go; None means the global one. Of several
            `JobMeasure` with one journal the first decides.
        influxdb_client: A client of the app's own to deliver with; its server, organization and rights are taken, so
            that only the bucket is to be set. It is never closed.
        reasons: The reason of the app's own exceptions, as `{Stopped: "cancelled"}`, for all jobs.
        **arguments: Those of `Settings`.

    Raises:
        SettingsError: A setting is wrong; the message names it, what it got and what it takes.
        MissingDependencyError: A library that a setting asks for is not installed.
        UsageError: One of the first four arguments is something else.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        tracer_provider: "TracerProvider | None" = None,
        meter_provider: "MeterProvider | None" = None,
        influxdb_client: "InfluxDBClient | None" = None,
        reasons: Reasons = NO_REASONS,
        **arguments: Unpack[Arguments],
    ) -> None:
        own_reasons = checked_reasons(reasons)
        try:
            _check(
                settings,
                tracer_provider=tracer_provider,
                meter_provider=meter_provider,
                influxdb_client=influxdb_client,
            )
            if influxdb_client is not None and (settings is None or settings.destination is None):
                arguments = {**_known(influxdb_client), **arguments}
            settings = Settings.from_env(**arguments) if settings is None else settings.changed(**arguments)
        finally:
            del arguments  # a traceback of what is raised can show the local variables, and a token is among them
        if influxdb_client is not None and settings.sink != names.SINK_INFLUXDB:
            raise SettingsError(f"influxdb_client: means nothing where {names.ENV_SINK} is {settings.sink!r}")
        self.pipeline = pipeline_for(settings, client=influxdb_client, meter_provider=meter_provider)
        self.settings = settings
        self.recorder = self.pipeline.recorder(settings)
        self.opener = Opener(self.recorder, tracer_provider, version=version, reasons=own_reasons, owner=self)
        self._keyed = KeyedRuns(self.opener)

    @overload
    def job(
        self,
        target: Callable[_P, _R],
        /,
        *,
        expected: tuple[type[BaseException], ...] = (),
        reasons: Reasons = ...,
        **limits: Unpack[Limits],
    ) -> Callable[_P, _R]: ...
    @overload
    def job(
        self,
        target: str | None = None,
        /,
        *,
        expected: tuple[type[BaseException], ...] = (),
        reasons: Reasons = ...,
        **limits: Unpack[Limits],
    ) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]: ...
    def job(
        self,
        target: Any = None,
        /,
        *,
        expected: tuple[type[BaseException], ...] = (),
        reasons: Reasons = NO_REASONS,
        **limits: Unpack[Limits],
    ) -> Any:
        """Measures each call of a function as a run of a job: sync and async functions, generators of both kinds.

        Args:
            target: The job's name, or the function itself, whose name is the job's then.
            expected: Exceptions that do not count as a failure of the job.
            reasons: The reason of the job's own exceptions, as `{Stopped: "cancelled"}`.
            **limits: What should happen: `schedule` or `every`, `timezone`, `grace`, `max_runtime`, `min_runtime`,
                `min_interval`, `max_age`, `failures`, `scope`; docs/expectations.md describes them. A wrong value is
                logged once and left out.

        Returns:
            The measured function, of the same kind and signature; without a function, a decorator that makes it.

        Raises:
            UsageError: The name is empty or not a string, or `target` cannot be called.
        """
        if target is None or isinstance(target, str):
            return decorator.job(self.opener, target, expected=expected, reasons=reasons, **limits)
        return decorator.job(self.opener, expected=expected, reasons=reasons, **limits)(target)

    def run(self, name: str, **options: Unpack[RunOptions]) -> RunBlock:
        """Measures a block of code: `with measure.run("nightly") as run:`, or `async with`.

        Args:
            name: The job's name; a name that cannot be used is measured as `unnamed`, with a warning.
            **options: What is known about the run, as for `start`.

        Returns:
            A context manager for one run, which gives a `JobRun`.
        """
        if options:
            _check_options(options)
        return RunBlock(self.opener, name, options)

    def start(self, job: str, *, key: Hashable, **options: Unpack[RunOptions]) -> RunHandle:
        """Starts a run that `finish` ends later, from any task or thread; its span is not current after the call.

        If `key` is open, the first run with it goes on and its handle is returned. If 10,000 runs are open, the start
        is refused: nothing is recorded, and `is_measured` of the handle is False. Both are counted and logged.

        Args:
            job: The job's name; a name that cannot be used is measured as `unnamed`, with a warning.
            key: Identifies the run until its end, for example `("queue", task_id, attempt)`.
            **options: `kind`, `context` and `links` of the span; `scheduled_at` or `scheduled_ns`, and `queued_at` or
                `queued_ns` (aware datetimes, or nanoseconds since 1970); `attempt`, `trigger`, `task_id`; `expected`,
                the exceptions that do not count as a failure. A wrong value is logged and left out.

        Returns:
            The run's handle, with which another process of the machine can end the run.
        """
        _check_options(options)
        return self._keyed.start(job, key, options)

    def finish(
        self, key: "Hashable | RunHandle", *, error: BaseException | None = None, outcome: Outcome | None = None
    ) -> bool:
        """Ends a run that `start` began, with its outcome, or with the exception of the job; without both it went well.

        A key that is not open, and a run that is finished already, are counted and logged. A child of fork knows no
        keys of its parent, but it can end a run by its handle.

        Args:
            key: The run's key, or its handle; by its handle a run can be ended in another process.
            error: What the job raised.
            outcome: How the run ended, if the scheduler knows more; it takes precedence over `error`.

        Returns:
            Whether this call ended a run.
        """
        return self._keyed.finish(key, error, outcome)

    def hold(self, handle: RunHandle) -> None:
        """Keeps a run open that another process began, because this process is going to end it.

        If the other process dies, recovery leaves the run to this process for up to 30 s.

        Args:
            handle: The run's handle.
        """
        self._keyed.hold(handle)

    def release(self, handle: RunHandle) -> None:
        """Leaves a run's ending to another process: the run is no longer open in this one.

        In the process that began it, its span ends here.

        Args:
            handle: The run's handle.
        """
        self._keyed.release(handle)

    def context(self, key: "Hashable | RunHandle") -> "Context":
        """Returns a context in which the span of a run is current, for `opentelemetry.context.attach`.

        Args:
            key: The run's key, or its handle, also in another process.

        Returns:
            The context; the present one if the run has no span or is not open.
        """
        return self._keyed.context(key)

    async def middleware(self, ctx: object, call_next: Callable[[], Any], /) -> Any:  # noqa: ANN401 - the chain's
        """Measures the rest of a chain as a run of the job `ctx.name` or `ctx["name"]`.

        Args:
            ctx: The chain's context.
            call_next: Calls the rest of the chain.

        Returns:
            What the rest of the chain returns; None where it raised and `on_error` is `log`.
        """
        return await middleware.middleware(self.opener, ctx, call_next)

    def sync_middleware(self, ctx: object, call_next: Callable[[], Any], /) -> Any:  # noqa: ANN401 - the chain's
        """Measures the rest of a synchronous chain as a run of the job `ctx.name` or `ctx["name"]`.

        Args:
            ctx: The chain's context.
            call_next: Calls the rest of the chain.

        Returns:
            What the rest of the chain returns; None where it raised and `on_error` is `log`.
        """
        return middleware.sync_middleware(self.opener, ctx, call_next)

    def flush(self, timeout: float = 5.0) -> bool:
        """Waits until all points so far are where they are meant to be.

        Args:
            timeout: How long to wait at most, in seconds.

        Returns:
            True when the server has every point of this process; without one, or with `SHIP=off`, when they are on
            disk.
        """
        with self.recorder.guards("flushing points"):
            return self.pipeline.flush(timeout)
        return False

    def close(self, timeout: float | None = None) -> bool:
        """Sends the remaining points and closes everything. The process also does this at its exit.

        A run that begins later is measured all the same. What cannot be sent is kept on disk for the next process.

        Args:
            timeout: How long to try at most, in seconds; None for `OTEL_JOB_MEASURE_SHUTDOWN_TIMEOUT`.

        Returns:
            Whether everything was sent.
        """
        with self.recorder.guards("closing the journal"):
            return self.pipeline.close(self.settings.shutdown_timeout_s if timeout is None else timeout)
        return False

    def health(self) -> Health:
        """Returns what this process knows of the delivery of its points."""
        return self.pipeline.health()

    def __copy__(self) -> Self:
        """Returns itself: copies of what holds it share its journal."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        """Returns itself, as `__copy__` does."""
        return self

    def __reduce__(self) -> tuple[object, ...]:
        """Pickles as its settings without secrets; the other side binds to its own environment and providers."""
        return _unpickled, (packed(self.settings), dict(self.opener.reasons))

    def __repr__(self) -> str:
        return f"JobMeasure({self.__dict__.get('settings', 'not made')!r})"


def _check_options(options: RunOptions) -> None:
    unknown = options.keys() - RunOptions.__annotations__.keys()
    if unknown:
        raise UsageError(f"a run has no option {min(unknown)!r}; it takes {', '.join(RunOptions.__annotations__)}")


def _check(settings: object, **parts: object) -> None:
    """Raises a `UsageError` if an argument is of another kind; its content is not shown, since it may be a token."""
    if settings is not None and not isinstance(settings, Settings):
        raise UsageError(
            f"JobMeasure() takes Settings, and got {type(settings).__name__}; single settings go by name, as project="
        )
    for name, part in parts.items():
        kind, attributes = _PARTS[name]
        if part is not None and not all(_has(part, attribute) for attribute in attributes):
            raise UsageError(f"{name}= takes {kind}, and got {type(part).__name__}")


def _has(part: object, attribute: str) -> bool:
    try:
        return hasattr(part, attribute)
    except Exception:  # noqa: BLE001 - a property that fails now may work at the first run
        return True


def _unpickled(packed_settings: Packed, reasons: Reasons) -> JobMeasure:
    known = _from_pickles.get(packed_settings)
    if known is None or known.opener.reasons != reasons:
        known = _from_pickles[packed_settings] = JobMeasure(unpacked(packed_settings), reasons=reasons)
    return known


def _known(client: "InfluxDBClient") -> Arguments:
    """Returns what a client of the app's own knows already."""
    own: Any = client  # it has no types
    # A client that signs in with a password has no token. Delivery uses the client's rights, not this text.
    return {
        "influxdb_url": own.url,
        "influxdb_org": own.org,
        "influxdb_token": own.token or "the-client's-own",
        "influxdb_token_file": None,
        "influxdb_username": None,
        "influxdb_password": None,
        "influxdb_password_file": None,
    }
