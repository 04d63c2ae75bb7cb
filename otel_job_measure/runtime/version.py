"""The version of this package, as it is installed."""

from otel_job_measure.forks import fork_gate


def version() -> str | None:
    """Returns the installed version; None where the package runs from a folder that was never installed."""
    with fork_gate():
        from importlib import metadata  # noqa: PLC0415 - 30 modules; an app that traces has them already
    try:
        return metadata.version("otel-job-measure")
    except metadata.PackageNotFoundError:
        return None
