"""The OTLP receiver: whether it takes an empty export, and what cannot be known of it."""

from collections.abc import Iterator

from otel_job_measure import names
from otel_job_measure.delivery.influxdb.responses import Kind
from otel_job_measure.errors import JobMeasureError
from otel_job_measure.insight.doctor.finding import PROBLEM, Budget, Finding
from otel_job_measure.journal.counters import Counters
from otel_job_measure.runtime.assembly import server_sink
from otel_job_measure.settings import OtlpDestination, Settings


def examined(settings: Settings, budget: Budget) -> Iterator[Finding]:
    """Yields what is found of the receiver."""
    destination = settings.destination
    where = destination.label if isinstance(destination, OtlpDestination) else ""
    facts = {"receiver": where}
    try:
        # Nothing is kept: in memory there are no dead letters.
        sink = server_sink(settings.changed(state_dir="memory"), Counters())
    except JobMeasureError as error:
        text, _, advice = str(error).partition(": ")
        yield Finding(check="receiver.reachable", level=PROBLEM, text=f"{text}.", advice=advice, facts=facts)
        return
    try:
        timeout_s = settings.otlp_timeout_s or settings.timeout_s
        verdict = sink.attempt([], timeout_s=min(timeout_s, max(0.1, budget.left_s() - 0.5)))
    finally:
        sink.close()
    if verdict.kind is not Kind.DELIVERED:
        text, _, advice = verdict.message.partition("; ")
        advice = advice or verdict.advice or f"check {names.ENV_OTLP_ENDPOINT} and whether the receiver runs"
        text = f"The OTLP receiver {where} takes no export: {text}."
        yield Finding(check="receiver.reachable", level=PROBLEM, text=text, advice=advice, facts=facts)
        return
    yield Finding(check="receiver.reachable", text=f"The OTLP receiver {where} takes an empty export.", facts=facts)
    text = "What the receiver does with records, and which store they reach, cannot be known from here."
    advice = f"set {names.ENV_INFLUXDB_URL} and its siblings for reading, and doctor looks at the store too"
    yield Finding(check="receiver.beyond", text=text, advice=advice)
