"""The way from the journal to a server and the history: one thread a process."""

from otel_job_measure.delivery.health import Health, health_of
from otel_job_measure.delivery.influx import InfluxSink
from otel_job_measure.delivery.lane import EAGER, LAZY, Lane, Policy
from otel_job_measure.delivery.otlp import OtlpSink
from otel_job_measure.delivery.progress import FileProgress, Progress
from otel_job_measure.delivery.rounds import Looked, Rounds
from otel_job_measure.delivery.shipper import Shipper

__all__ = [
    "EAGER",
    "LAZY",
    "FileProgress",
    "Health",
    "InfluxSink",
    "Lane",
    "Looked",
    "OtlpSink",
    "Policy",
    "Progress",
    "Rounds",
    "Shipper",
    "health_of",
]
