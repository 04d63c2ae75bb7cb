"""The version of this package."""

from otel_job_measure import forks


def version() -> str | None:
    """Returns the installed version of this package; None if it runs from a folder that was never installed."""
    with forks.fork_gate():
        from importlib import metadata  # noqa: PLC0415 - 30 modules, which an app that traces has loaded
    try:
        return metadata.version("otel-job-measure")
    except metadata.PackageNotFoundError:
        return None
