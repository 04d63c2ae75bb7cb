"""Everything that can be set, from arguments and the environment, checked at once."""

from otel_job_measure.settings.destination import Destination, OtlpDestination
from otel_job_measure.settings.environment import parse_env_file
from otel_job_measure.settings.model import Arguments, Settings
from otel_job_measure.settings.secret import Secret

__all__ = ["Arguments", "Destination", "OtlpDestination", "Secret", "Settings", "parse_env_file"]
