"""Which run the current task has already: an adapter claims the task, and the entry points inside it join its run."""

import contextlib
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final, NamedTuple

from otel_job_measure.spans.current import Current
from otel_job_measure.spans.run import Run


class Claim(NamedTuple):
    """A task that an adapter measures."""

    run: Run
    names: tuple[str, ...]
    """The names of its job: the run's, and the scheduler's."""
    owner: object
    """The adapter; what it starts is always a run of its own."""


_claim: Final[ContextVar[Claim | None]] = ContextVar("otel_job_measure_claim", default=None)


def claimed(name: object, owner: object = None) -> Run | None:
    """Returns the run that measures the current task already, if it is one of the job `name`.

    A task that was begun in the context of an earlier one, or in a child of fork, is none of its.
    """
    claim = _claim.get()
    if claim is None or name not in claim.names or (owner is not None and claim.owner is owner):
        return None
    run = claim.run
    return run if run.outcome is None and run.is_of_this_process else None


class Claimed(Current):
    """Makes the span of a run current together with the claim of its task."""

    __slots__ = ("_claim", "_claimed", "_inner")

    def __init__(self, inner: Current, claim: Claim) -> None:
        self._inner = inner
        self._claim = claim
        self._claimed: Token[Claim | None] | None = None

    def __enter__(self) -> None:
        self._claimed = _claim.set(self._claim)
        self._inner.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inner.__exit__(kind, error, trace)
        self._unclaim()

    def release(self) -> None:
        """Takes both back, unless that is done."""
        self._inner.release()
        self._unclaim()

    def _unclaim(self) -> None:
        token, self._claimed = self._claimed, None
        if token is not None:
            with contextlib.suppress(ValueError, RuntimeError):  # another context, whose claims are its own
                _claim.reset(token)
