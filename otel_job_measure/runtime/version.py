"""The version of this package, as it is installed."""

from importlib import metadata


def version() -> str | None:
    """Returns the installed version; None where the package runs from a folder that was never installed."""
    try:
        return metadata.version("otel-job-measure")
    except metadata.PackageNotFoundError:
        return None
