"""What all runs of one job have in common, found and encoded at its first run."""

from collections.abc import Mapping
from typing import Final

from otel_job_measure import names
from otel_job_measure.points.series import Series, series
from otel_job_measure.points.tags import DefaultTags


class Job:
    """The part of a run's rows and of its span that is the same in each run.

    Args:
        name: The job's name.
        tags: The default tags of its runs.
        resource: Where tags came from; kept, so that no other resource can get its identity.
    """

    __slots__ = ("_attributes", "_resource", "series", "span_name", "tags")

    def __init__(self, name: str, tags: DefaultTags, resource: Mapping[str, object]) -> None:
        self._resource = resource
        self.tags = tags
        self.series: Final[Series] = series(name, tags)
        """The start of its rows."""
        self.span_name = f"{names.SPAN_NAME_PREFIX}{valid(name)}"
        """The name of its spans."""
        self._attributes = {names.ATTR_NAME: valid(name)}
        given = (
            (names.ATTR_DATACENTER, tags.datacenter),
            (names.ATTR_PROJECT, tags.project),
            (names.ATTR_STAGE, tags.stage),
        )
        self._attributes |= {attribute: valid(tag) for attribute, tag in given if tag is not None}

    def attributes(self, uuid: str) -> dict[str, str]:
        """Returns what the span of one run says at its start.

        Args:
            uuid: The run's id.
        """
        return {**self._attributes, names.ATTR_RUN_ID: uuid}


def valid(text: str) -> str:
    """Gives a text that is UTF-8: with a lone surrogate in it an exporter would lose a whole batch of the app's spans.

    Args:
        text: Any string.

    Returns:
        The same, with question marks for what is no valid Unicode.
    """
    return text if text.isascii() else text.encode(errors="replace").decode()
