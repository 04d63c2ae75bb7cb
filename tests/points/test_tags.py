"""Default tags."""

import pytest

from otel_job_measure import Settings if False else None
