"""Runs that last until the coroutine, future or awaitable that a job returned is done."""

import contextlib
import inspect
import types
import weakref
from collections.abc import Generator, Iterable
from typing import Any, Final, SupportsIndex, cast

from otel_job_measure.entrypoints.stand_in import SPECIAL
from otel_job_measure.spans.active_run import ActiveRun

# An awaitable that can also be used in another way stays itself; its run ends with the call.
_OTHER_USES: Final = (SPECIAL | {"__call__"}) - frozenset(dir(object))


def lasting(run: ActiveRun, result: Any) -> Any:  # noqa: ANN401 - the job's
    """Returns what a job returned, or a stand-in for it; the run ends when that is done."""
    kind = cast("Any", type(result))
    try:
        if hasattr(kind, "__await__") or hasattr(kind, "add_done_callback") or kind is types.GeneratorType:
            return _later(run, result, kind)
    except Exception:  # noqa: BLE001 - no memory, or a future of another thread's loop: it counts as a plain value
        run.finish()
        return result
    run.finish()
    return result


def _later(run: ActiveRun, result: Any, kind: Any) -> Any:  # noqa: ANN401 - the job's
    if kind is types.CoroutineType or _is_coroutine(kind, result):
        return _followed(run, result)
    if hasattr(kind, "add_done_callback"):
        done = _Done(run)  # kept until the exception is handled, if there is one: it means a cancelled run
        result.add_done_callback(done)
        return result
    return _Awaited(run, result) if _OTHER_USES.isdisjoint(dir(kind)) else _done_now(run, result)


def _done_now(run: ActiveRun, result: Any) -> Any:  # noqa: ANN401 - the job's
    run.finish()
    return result


class _Done:
    """Ends a run with the outcome of a future, or as cancelled if the future is given up."""

    __slots__ = ("_run",)

    def __init__(self, run: ActiveRun) -> None:
        self._run = run

    def __call__(self, future: Any) -> None:  # noqa: ANN401 - any library's
        error: BaseException | None = None
        try:
            if future.cancelled():
                error = GeneratorExit()
            elif hasattr(future, "_exception"):  # `exception()` would tell asyncio that the app has looked at it
                error = future._exception  # noqa: SLF001 - as above
            else:
                error = future.exception()
        except Exception:  # noqa: BLE001, S110 - a future of another kind: all that is known is that it is done
            pass
        self._run.finish(error)

    def __del__(self) -> None:
        self._run.finish(GeneratorExit())


_set: Final = object.__setattr__


class _Awaited:
    """Stands for an awaitable that a job returned; the run ends with its first await."""

    __slots__ = ("__weakref__", "__wrapped__", "_run")

    def __init__(self, run: ActiveRun, awaitable: Any) -> None:  # noqa: ANN401 - the job's
        _set(self, "_run", run)
        _set(self, "__wrapped__", awaitable)

    @property  # type: ignore[misc]
    def __class__(self) -> type[Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return type(self.__wrapped__)  # pyright: ignore[reportUnknownVariableType] - the job's

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the job's
        return getattr(self.__wrapped__, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.__wrapped__, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self.__wrapped__, name)

    def __eq__(self, other: object) -> bool:
        return bool(self.__wrapped__ == (other.__wrapped__ if type(other) is _Awaited else other))

    def __hash__(self) -> int:
        return hash(self.__wrapped__)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __dir__(self) -> Iterable[str]:
        return dir(self.__wrapped__)

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        return self.__wrapped__.__reduce_ex__(protocol)  # type: ignore[no-any-return]

    def __await__(self) -> Generator[Any, Any, Any]:
        run: ActiveRun | None = self._run
        _set(self, "_run", None)
        if run is None:
            return self.__wrapped__.__await__()  # type: ignore[no-any-return]
        return _follow(run, self.__wrapped__).__await__()

    def __del__(self) -> None:
        if self._run is not None:
            self._run.finish()


def _is_coroutine(kind: Any, result: Any) -> bool:  # noqa: ANN401 - the job's
    """Tells coroutines of compilers and coroutines made of generators from other values."""
    if kind is types.GeneratorType:
        return bool(result.gi_code.co_flags & inspect.CO_ITERABLE_COROUTINE)
    return hasattr(kind, "send") and not hasattr(kind, "__aenter__")


def _followed(run: ActiveRun, coroutine: Any) -> Any:  # noqa: ANN401 - the job's
    """Returns a coroutine that ends the run when it ends, or when it is given up."""
    following: Any = None
    finalizer: Any = None
    try:
        following = (_follow_generator if hasattr(coroutine, "__iter__") else _follow)(run, coroutine)
        following.__name__, following.__qualname__ = coroutine.__name__, coroutine.__qualname__
        finalizer = weakref.finalize(following, _give_up, run, coroutine)
        finalizer.atexit = False
    except Exception:  # noqa: BLE001 - no memory, say: the caller gets the job's own
        if finalizer is not None:
            finalizer.detach()
        if following is not None:
            following.close()
        run.finish()
        return coroutine
    return following


async def _follow(run: ActiveRun, awaitable: Any) -> Any:  # noqa: ANN401 - the job's
    try:
        with run.current:
            result = await awaitable
        run.finish()
        return result  # noqa: TRY300 - an interruption here ends the run too
    except BaseException as error:
        if run.failed(error):
            return None
        raise


@types.coroutine
def _follow_generator(run: ActiveRun, generator: Any) -> Generator[Any, Any, Any]:  # noqa: ANN401 - the job's
    try:
        with run.current:
            result = cast("Any", (yield from generator))
        run.finish()
        return result  # noqa: TRY300 - an interruption here ends the run too
    except BaseException as error:
        if run.failed(error):
            return None
        raise


def _give_up(run: ActiveRun, coroutine: Any) -> None:  # noqa: ANN401 - the job's
    # A coroutine that is cancelled before its first step, or never awaited, runs no line of its own.
    with contextlib.suppress(Exception):  # it is over, or runs elsewhere
        coroutine.close()
    run.finish(GeneratorExit())
