"""What a frozen app needs beside the modules that PyInstaller finds: the modules of lazy names, SQL files, metadata."""

from importlib import metadata
from importlib.util import find_spec

from PyInstaller.utils.hooks import collect_data_files, collect_submodules, copy_metadata


def _is_wanted(module: str) -> bool:
    return "._pyinstaller" not in module


hiddenimports = [
    *collect_submodules("otel_job_measure", filter=_is_wanted, on_error="ignore"),
    *collect_submodules("opentelemetry.context"),  # found by an entry point
]
if find_spec("grpc") is not None:
    hiddenimports += ["grpc._channel", "grpc._simple_stubs", "grpc.experimental"]  # by the first channel
datas = collect_data_files("otel_job_measure", includes=["**/*.sql"])
for _distribution in ("otel-job-measure", "opentelemetry-api", "opentelemetry-sdk"):
    try:
        datas += copy_metadata(_distribution)
    except metadata.PackageNotFoundError:  # it runs from a folder that was never installed
        continue
