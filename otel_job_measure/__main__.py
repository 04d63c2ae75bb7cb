"""`python -m otel_job_measure`, for machines whose PATH lacks the command."""

import sys

from otel_job_measure.cli import main

if __name__ == "__main__":
    sys.exit(main())
