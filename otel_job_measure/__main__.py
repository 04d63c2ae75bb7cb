"""`python -m otel_job_measure`, for a PATH without the command."""

import sys

from otel_job_measure.cli import main

if __name__ == "__main__":
    sys.exit(main())
