"""All contenders, by name."""

from collections.abc import Callable, Mapping
from typing import Final

from benchmarks.contenders.bare import Bare
from benchmarks.contenders.both import Apart
from benchmarks.contenders.contender import Contender, Where
from benchmarks.contenders.cronwatch import Cronwatch
from benchmarks.contenders.influx import ByHand
from benchmarks.contenders.metrics import Metrics
from benchmarks.contenders.ours import Ours
from benchmarks.contenders.pings import Pings
from benchmarks.contenders.sentry import SentryMonitor
from benchmarks.contenders.spans import DescribedSpans, Spans

CONTENDERS: Final[Mapping[str, Callable[[Where], Contender]]] = {
    "bare job": Bare,
    "SDK span": Spans.alone,
    "span + BatchSpanProcessor": Spans.batched,
    "span with attributes": DescribedSpans.alone,
    "span with attributes + BatchSpanProcessor": DescribedSpans.batched,
    "span + BatchSpanProcessor + OTLP": Spans.exported,
    "SDK span, a processor that does nothing": Spans.unwatched,
    "SDK span, a processor that asks for the attributes": Spans.read,
    "SDK span, JobSpanProcessor registered": Spans.watched,
    "SDK span, JobSpanProcessor and a JobMeasure on its provider": Spans.watched_twice,
    "SDK span, a JobMeasure on its provider": Spans.beside,
    "span + BatchSpanProcessor, JobSpanProcessor registered": Spans.batched_and_watched,
    "ours": Ours.as_it_comes,
    "ours, delivering": Ours.as_it_comes,
    "ours, server down": Ours.unheard,
    "ours, SHIP=off": Ours.appending,
    "ours, RUNS=off": Ours.runs_off,
    "ours, in memory": Ours.in_memory,
    "ours, CONFIRM_START=server": Ours.confirmed,
    "ours + SDK span": Ours.with_span,
    "ours + SDK span, 16 more tags": Ours.with_many_tags,
    "ours + SDK span, SHIP=off": Ours.with_span_appending,
    "ours + BatchSpanProcessor": Ours.with_batch,
    "ours + BatchSpanProcessor, SHIP=off": Ours.with_batch_appending,
    "ours + BatchSpanProcessor + OTLP": Ours.with_export,
    "ours, then a span with attributes + BatchSpanProcessor": Apart,
    "influxdb-client, synchronous": ByHand.synchronous,
    "influxdb-client, batching": ByHand.batching,
    "sentry-sdk monitor": SentryMonitor,
    "healthchecks-style pings": Pings,
    "OpenTelemetry metrics": Metrics,
    "cronwatch-sdk (SQLite)": Cronwatch,
}
