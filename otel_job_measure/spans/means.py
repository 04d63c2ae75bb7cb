"""What opening a run takes: who records it, where its span comes from, and guards around each step."""

from collections import deque
from collections.abc import Callable
from typing import Final

from opentelemetry.trace import TracerProvider

from otel_job_measure.spans.recorder import Recorder
from otel_job_measure.spans.tracer import Providers

_MOST_TROUBLES: Final = 64


class Means:
    """What all runs of one `JobMeasure` have in common.

    Args:
        recorder: Who records them.
        tracer_provider: Where their spans come from; None means the app's global provider, also one that is set later.
            With neither the runs have no span.
        version: Tells our version, for the scope of the spans, where there is a provider.
    """

    __slots__ = (
        "describing",
        "disabled",
        "ending",
        "judging",
        "logging",
        "opening",
        "providers",
        "recorder",
        "starting",
        "troubles",
    )

    disabled: bool
    """Whether nothing at all is measured."""

    def __init__(
        self,
        recorder: Recorder,
        tracer_provider: TracerProvider | None = None,
        *,
        version: Callable[[], str | None] | None = None,
    ) -> None:
        self.recorder = recorder
        self.disabled = recorder.settings.disabled
        self.providers = Providers(tracer_provider, version, recorder.guards)
        self.opening = recorder.guards("opening and closing a run")
        self.troubles: deque[Exception] = deque(maxlen=_MOST_TROUBLES)
        self.starting = recorder.guards("starting a span")
        self.judging = recorder.guards("finding out how a job ended")
        self.describing = recorder.guards("describing the end of a run on its span")
        self.ending = recorder.guards("ending a span")
        self.logging = recorder.guards("logging what a job raised")
        if not self.disabled:
            self.providers.bind()

    def tell(self) -> None:
        """Counts and logs what went wrong where there was no room on the stack, or no memory, to do so."""
        while self.troubles:
            self.opening.caught(self.troubles.popleft())
