"""Which exceptions mean a time limit or a cancellation, and what the user adds to them."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, cast

from otel_job_measure import names
from otel_job_measure.errors import UsageError

Reasons = Mapping[type[BaseException], str]
NO_REASONS: Final[Reasons] = MappingProxyType({})

# Known by module and name, so that no library is imported; subclasses count too.
_BY_NAME: Final = {
    **dict.fromkeys(
        (
            "TimeoutError",
            "billiard.exceptions.SoftTimeLimitExceeded",
            "billiard.exceptions.TimeLimitExceeded",
            "celery.exceptions.TimeoutError",
            "curio.errors.TaskTimeout",
            "django_q.exceptions.TimeoutException",
            "dramatiq.middleware.time_limit.TimeLimitExceeded",
            "eventlet.timeout.Timeout",
            "func_timeout.exceptions.FunctionTimedOut",
            "gevent.timeout.Timeout",
            "grpc.FutureTimeoutError",
            "httpcore.TimeoutException",
            "httpx.TimeoutException",
            "huey.exceptions.TaskTimeout",
            "multiprocess.context.TimeoutError",
            "multiprocessing.context.TimeoutError",
            "pexpect.exceptions.TIMEOUT",
            "redis.exceptions.TimeoutError",
            "requests.exceptions.Timeout",
            "rq.timeouts.BaseTimeoutException",
            "stopit.utils.TimeoutException",
            "subprocess.TimeoutExpired",
            "timeout_decorator.timeout_decorator.TimeoutError",
            "tornado.util.TimeoutError",
            "trio.TooSlowError",
            "twisted.internet.defer.TimeoutError",
            "twisted.internet.error.TimeoutError",
            "urllib3.exceptions.TimeoutError",
        ),
        names.REASON_TIMEOUT,
    ),
    **dict.fromkeys(
        (
            "GeneratorExit",
            "asyncio.exceptions.CancelledError",
            "celery.exceptions.TaskRevokedError",
            "celery.exceptions.WorkerShutdown",
            "celery.exceptions.WorkerTerminate",
            "concurrent.futures._base.CancelledError",
            "curio.errors.CancelledError",
            "dramatiq.middleware.shutdown.Shutdown",
            "grpc.FutureCancelledError",
            "greenlet.GreenletExit",
            "procrastinate.exceptions.JobAborted",
            "trio.Cancelled",
            "twisted.internet.defer.CancelledError",
        ),
        names.REASON_CANCELLED,
    ),
    "KeyboardInterrupt": names.REASON_SIGNAL,
    "SystemExit": names.REASON_EXIT,
}
_GRAVEST_FIRST: Final = (
    names.REASON_SIGNAL,
    names.REASON_EXIT,
    names.REASON_ERROR,
    names.REASON_TIMEOUT,
    names.REASON_CANCELLED,
)


def reason_of(error: BaseException, reasons: Reasons) -> str:
    """Returns why a job failed that raised this; the user's reasons take precedence."""
    for kind in type(error).__mro__ if reasons else ():  # the nearest class counts, in whichever order they were given
        if kind in reasons:
            return reasons[kind]
    known = (_BY_NAME.get(type_name(kind)) for kind in type(error).__mro__)
    return next((reason for reason in known if reason), names.REASON_ERROR)


def reason_of_name(kind: str) -> str:
    """Returns the reason of an exception whose class is known by name only."""
    return _BY_NAME.get(kind, names.REASON_ERROR)


def type_name(kind: type) -> str:
    """Returns a class's name as the semantic conventions want it: qualified, without `builtins`."""
    module = kind.__module__
    return kind.__qualname__ if not module or module == "builtins" else f"{module}.{kind.__qualname__}"


def gravest(reasons: set[str]) -> str:
    """Returns the reason of a group of exceptions from those of its leaves."""
    return next((reason for reason in _GRAVEST_FIRST if reason in reasons), min(reasons))


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yields the exceptions of a group and of the groups in it; any other exception itself."""
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if isinstance(one, BaseExceptionGroup):
            waiting += cast("BaseExceptionGroup[BaseException]", one).exceptions
        else:
            yield one


def checked_reasons(reasons: object) -> Reasons:
    """Returns the argument `reasons` of an entry point, or raises a `UsageError`."""
    given = cast("Mapping[object, object]", reasons) if isinstance(reasons, Mapping) else {None: None}
    allowed = [reason for reason in names.REASONS if reason != names.REASON_LOST]
    for kind, reason in given.items():
        if not (isinstance(kind, type) and issubclass(kind, BaseException) and reason in allowed):
            raise UsageError(
                f"reasons= takes exception classes and the reason of each, as {{Stopped: 'cancelled'}}, of"
                f" {', '.join(allowed)}; got {reasons!r}"
            )
    return cast("Reasons", dict(given))
