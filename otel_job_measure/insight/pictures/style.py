"""The style sheet that pages and reports share."""

from importlib.resources import files


def style_of_pictures() -> str:
    """Returns the colours, dark and light, and how pictures are drawn."""
    return files("otel_job_measure.insight.pictures").joinpath("pictures.css").read_text(encoding="utf-8")
