"""What all runs of one job have in common, found and encoded at its first run."""

from collections.abc import Mapping
from typing import Final

from otel_job_measure import names
from otel_job_measure.points.rows import Series, series
from otel_job_measure.points.tags import DefaultTags
from otel_job_measure.points.text import valid
from otel_job_measure.spans.run import Run


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

    def attributes(self, run: Run) -> dict[str, str]:
        """Returns what the span of a run says at its start.

        Whoever writes the run's rows from the span needs no more to write the very rows that we write. All texts are
        valid Unicode: with a lone surrogate an exporter would lose a whole batch of the app's spans.

        Args:
            run: A prepared run.
        """
        found = {**self._attributes, names.ATTR_RUN_ID: run.uuid}
        if run.host:
            found[names.ATTR_HOST] = valid(run.host)
        return found
