"""Runs jobs of every odd kind through every door, and tells where a job's result is not what it would have been.

`fuzzed SEED RUNS`; on stdout `broken …` for each that differs, and at the end `> RUNS`.
"""

import logging
import random
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from otel_job_measure import JobMeasure, JobSpanProcessor, Settings
from otel_job_measure.entrypoints import decorator, middleware
from otel_job_measure.entrypoints.context_manager import RunBlock
from otel_job_measure.runtime.pipeline import Pipeline
from otel_job_measure.spans.active_run import Opener
from soak.reporting import tell, watchdog

_HOUR_NS: Final = 3_600 * 10**9


class SteppingClock:
    """A wall clock that is set back and forth by hours."""

    def __init__(self) -> None:
        self.off_ns = 0

    def wall_ns(self) -> int:
        return time.time_ns() + self.off_ns

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


class Wicked(str):
    """A string whose own methods only do harm."""

    __slots__ = ()

    def __str__(self) -> str:
        raise ValueError("no string")

    __repr__ = __format__ = __str__  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType] - that is the point

    def __bool__(self) -> bool:
        raise ValueError("neither")

    __hash__ = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType] - the same

    def __eq__(self, _other: object) -> bool:
        raise ValueError("not comparable")


class Liar:
    """An object that says it is of a class that it isn't, and fails when it is asked."""

    @property
    def __class__(self) -> Any:  # noqa: ANN401 - whatever
        raise RuntimeError("nobody's business")

    @__class__.setter
    def __class__(self, _kind: object) -> None: ...


class Meta(type):
    """A class that won't tell its name, nor what is of it."""

    def __instancecheck__(cls, _instance: object) -> bool:
        raise OSError("no")

    def __getattribute__(cls, name: str) -> Any:  # noqa: ANN401 - whatever
        if name in {"__module__", "__qualname__", "__name__"}:
            raise LookupError(name)
        return super().__getattribute__(name)


class Unnameable(Exception, metaclass=Meta):  # noqa: N818 - it has no name at all
    def __str__(self) -> str:
        raise KeyError("no text")


class Endless(Exception):  # noqa: N818 - as above
    def __str__(self) -> str:
        return str(self)


class Nothing:
    """A context without a name."""


class Trap:
    """A context whose name can't be looked at."""

    @property
    def name(self) -> str:
        raise MemoryError


def texts(rng: random.Random) -> Any:  # noqa: ANN401 - any text
    """Returns texts for names and messages."""
    odd = "\ud800\udfff\0\n\r\t\\ ,=\"'é漢😀#{}"
    make: Callable[[], Any] = rng.choice(
        [
            lambda: "plain",
            lambda: "".join(rng.choices(odd, k=rng.randrange(40))),
            lambda: rng.choice(odd) * rng.randrange(2000),
            lambda: "x" * 1_000_000 if rng.random() < 0.02 else "x" * 5000,
            lambda: rng.randbytes(rng.randrange(60)).decode("utf-8", "surrogateescape"),
            lambda: Wicked("wicked"),
            lambda: rng.choice([None, 17, b"bytes", ("a",), float("nan"), Liar(), Nothing]),
            lambda: "",
        ]
    )
    return make()


def error_of(rng: random.Random) -> BaseException:
    """Returns what a job may raise."""
    makers: list[Callable[[], BaseException]] = [
        lambda: ValueError(texts(rng)),
        Unnameable,
        Endless,
        lambda: KeyboardInterrupt(texts(rng)),
        lambda: SystemExit(rng.choice([None, 0, 3, "words", Liar()])),
        GeneratorExit,
        MemoryError,
        lambda: RecursionError("the job's own"),
        TimeoutError,
        lambda: ExceptionGroup("several", [ValueError("a"), OSError(2, "b")]),
    ]
    return rng.choice(makers)()


class Fuzz:
    """All doors, with a clock that steps.

    Args:
        rng: All its chance.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._clock = SteppingClock()
        settings = Settings.from_env(error_message=rng.random() < 0.5)
        self.pipeline = Pipeline(settings, clock=self._clock)
        self._opener = Opener(self.pipeline.recorder(settings))
        self._provider = TracerProvider()
        self._provider.add_span_processor(JobSpanProcessor(JobMeasure(settings)))
        self._doors = [self.decorated, self.coroutine, self.generator, self.block, self.chain, self.async_chain]

    def once(self) -> None:
        """Runs one job, and compares what came out with what the job gave."""
        rng = self._rng
        if rng.random() < 0.01:
            self._clock.off_ns = rng.randrange(-48, 48) * _HOUR_NS
            self.pipeline.journal.maintain()
        result: object = rng.choice([Liar(), None, object(), Wicked("result"), [1]])
        error = error_of(rng) if rng.random() < 0.4 else None
        ran: list[int] = []

        def job() -> object:
            ran.append(1)
            if error is not None:
                raise error
            return result

        door = rng.choice(self._doors)
        try:
            came = door(job, texts(rng))
        except BaseException as raised:  # noqa: BLE001 - whatever it is
            fine = raised is error
        else:
            fine = error is None and came is result
        if not fine or len(ran) != 1:
            tell(f"broken {door.__name__}: {type(error)!r} came out as something else; the job ran {len(ran)} times")

    def span(self) -> None:
        """Opens a span as an app does, with attributes of every type."""
        rng = self._rng
        name = rng.choice(["by hand", "é", 17, True, 2.5, ["a", "b"], [1, 2], b"bytes", ""])
        attributes: Any = {"scheduling.job.name": name, "scheduling.job.run_id": rng.choice(["", 3, [True]])}
        tracer = self._provider.get_tracer("an app's")
        with tracer.start_as_current_span("work", attributes=attributes) as span:
            span.set_attribute("scheduling.job.name", "another")

    def decorated(self, job: Callable[[], object], name: Any) -> object:  # noqa: ANN401 - as above
        usable = name if type(name) is str and name else "j"
        measured: Any = decorator.job(self._opener, usable)(job)
        return measured()

    def coroutine(self, job: Callable[[], object], name: Any) -> object:  # noqa: ANN401 - as above
        async def body() -> object:
            return job()

        usable = name if type(name) is str and name else "j"
        measured: Any = decorator.job(self._opener, usable)(body)
        return _driven(measured())

    def generator(self, job: Callable[[], object], name: Any) -> object:  # noqa: ANN401 - as above
        def body() -> Any:  # noqa: ANN401 - a generator
            yield job()

        usable = name if type(name) is str and name else "j"
        measured: Any = decorator.job(self._opener, usable)(body)
        steps = measured()
        try:
            return next(steps)
        finally:
            steps.close()

    def block(self, job: Callable[[], object], name: Any) -> object:  # noqa: ANN401 - as above
        with RunBlock(self._opener, name):
            return job()

    def chain(self, job: Callable[[], object], name: Any) -> object:  # noqa: ANN401 - as above
        return middleware.sync_middleware(self._opener, self._context(name), job)

    def async_chain(self, job: Callable[[], object], name: Any) -> object:  # noqa: ANN401 - as above
        return _driven(middleware.middleware(self._opener, self._context(name), job))

    def _context(self, name: object) -> object:
        made = Nothing()
        made.name = name  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue] - of this one only
        return self._rng.choice([{"name": name}, {}, [], None, Trap(), Nothing(), Liar(), made])


def _driven(coroutine: Any) -> object:  # noqa: ANN401 - as above
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits for something")


def main(seed: str, runs: int) -> None:
    """Runs as many jobs, most through doors of ours, some as spans of the app's."""
    logging.basicConfig(level=logging.INFO)
    rng = random.Random(seed)
    trace.set_tracer_provider(TracerProvider())
    fuzz = Fuzz(rng)
    for _ in range(runs):
        (fuzz.once if rng.random() < 0.9 else fuzz.span)()
    tell(f"> {runs}")


if __name__ == "__main__":
    watchdog()
    main(sys.argv[1], int(sys.argv[2]))
