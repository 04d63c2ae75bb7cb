"""Default tags: where a job runs and what it belongs to."""

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from otel_job_measure import names
from otel_job_measure.settings import Settings


class DefaultTags(NamedTuple):
    """The tags that all rows of a process have in common; None means that the rows do not have the tag."""

    datacenter: str | None = None
    project: str | None = None
    stage: str | None = None
    more: tuple[tuple[str, str], ...] = ()
    """The resource attributes of `OTEL_JOB_MEASURE_TAGS`, as pairs of name and text."""


def resolve(settings: Settings, resource_attributes: Mapping[str, object]) -> DefaultTags:
    """Returns the default tags: what the settings say, else an attribute of the span's resource."""
    more = ((name, _text(resource_attributes.get(name))) for name in settings.tags)
    return DefaultTags(
        datacenter=settings.datacenter or _first(resource_attributes, names.RESOURCE_DATACENTER),
        project=settings.project or _first(resource_attributes, names.RESOURCE_PROJECT),
        stage=settings.stage or _first(resource_attributes, names.RESOURCE_STAGE),
        more=tuple((name, text) for name, text in more if text),
    )


def _first(attributes: Mapping[str, object], wanted: Iterable[str]) -> str | None:
    for name in wanted:
        text = _text(attributes.get(name))
        # The SDK invents this name if the app sets none.
        if text and not (name == "service.name" and text.startswith(names.UNKNOWN_SERVICE)):
            return text
    return None


def _text(value: object) -> str:
    """Returns an attribute as text: numbers as they are, `true` and `false`, sequences as JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return str(value)
