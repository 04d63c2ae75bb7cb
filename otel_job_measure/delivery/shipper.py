"""The one thread of a process that brings its points to their sinks."""

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Sequence
from typing import Final

from otel_job_measure import names
from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.delivery.backlog import Backlog
from otel_job_measure.delivery.bell import Bell
from otel_job_measure.delivery.lane import Lane
from otel_job_measure.delivery.quiet import QuietLog
from otel_job_measure.delivery.rounds import Rounds
from otel_job_measure.delivery.untraced import untraced
from otel_job_measure.delivery.waiters import Waiter, Waiters
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.protocols import Mark, Source

_log = logging.getLogger(names.LOGGER)

THREAD_NAME: Final = "otel-job-measure"
