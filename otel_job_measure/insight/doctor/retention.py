"""How long the bucket keeps its points, and what that means for the pruning here."""

from collections.abc import Iterator
from typing import Final

from otel_job_measure.errors import StoreError
from otel_job_measure.insight.check import LOOK_NS
from otel_job_measure.insight.doctor.finding import WARNING, Finding, span
from otel_job_measure.insight.doctor.server import Asked
from otel_job_measure.insight.influxdb.retention import retention_s

_CHECK_S: Final = LOOK_NS / 1e9
_FOREVER: Final = 0.0


def examined(asked: Asked) -> Iterator[Finding]:
    """Yields what is found of the bucket's retention."""
    seconds = _retention_s(asked)
    settings = asked.settings
    bucket, kept_s = settings.influxdb_bucket, settings.retention_s
    here = f"the local history prunes after {span(kept_s)}" if settings.history else "there is no local history"
    facts = {"retention_s": seconds, "history_retention_s": kept_s}
    if seconds is None:
        text = f"How long {bucket} keeps points cannot be known: the token may not see it, or the server does not tell."
        yield Finding(check="server.retention", text=text, facts=facts)
    elif seconds == _FOREVER:
        text = f"{bucket} keeps points for ever; {here}."
        yield Finding(check="server.retention", text=text, facts=facts)
    elif seconds < _CHECK_S:
        text = f"{bucket} keeps points for {span(seconds)}, and `check` looks back for {span(_CHECK_S)}."
        advice = f"let it keep them for {span(_CHECK_S)} at least, and for longer than any job's pause between two runs"
        yield Finding(check="server.retention", level=WARNING, text=text, advice=advice, facts=facts)
    else:
        text = f"{bucket} keeps points for {span(seconds)}; {here}."
        if seconds < kept_s and settings.history:
            text += " Runs older than the bucket's are only here, and `ship --backfill` cannot send them."
        yield Finding(check="server.retention", text=text, facts=facts)


def _retention_s(asked: Asked) -> float | None:
    """Returns how long, 0 for ever; None if that cannot be known."""
    try:
        return retention_s(asked.connection(), asked.server.generation)
    except StoreError:
        return None
