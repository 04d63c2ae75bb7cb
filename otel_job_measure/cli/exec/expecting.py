"""What `exec` says of its job: read and noted while the command runs, or after it."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from otel_job_measure.expectations.expectation import JobId, Scope
from otel_job_measure.expectations.limits import checked
from otel_job_measure.journal.expected_memory import ExpectedMemory
from otel_job_measure.journal.expected_store import ExpectedStore
from otel_job_measure.journal.statements import Snapshot, Statement
from otel_job_measure.points.tags import DefaultTags
from otel_job_measure.points.text import clean_tag
from otel_job_measure.rate_limited_log import LOG
from otel_job_measure.settings import Settings

_WAIT_S: Final = 1.0
_IN_POD: Final = "KUBERNETES_SERVICE_HOST"


def note(  # noqa: PLR0913, PLR0917 - what `exec` knows
    settings: Settings,
    memory: ExpectedMemory,
    origin: str,
    name: str,
    tags: DefaultTags,
    limits: Mapping[str, str],
    said: str,
) -> None:
    """Notes the limits of a job; what is wrong with them is said on stderr when it is noted first.

    What cannot be noted in the state directory is in `memory`, from where it is told to a server; then it raises an
    `OSError`.
    """
    store = None if settings.in_memory else ExpectedStore(settings.state_path)
    found = checked(limits, datetime.now(UTC), scope=_scope())
    if found.problems and (store is None or store.mark(store.path_of("exec", origin)) != said):
        for limit, problem in found.problems:
            LOG.warning("a limit is left out: --%s", problem.replace(limit, limit.replace("_", "-"), 1))
    statement = Statement(
        job=JobId(clean_tag(name), clean_tag(tags.project or ""), clean_tag(tags.stage or "")),
        expectation=found.usable,
        host=os.uname().nodename if found.expectation.scope == "host" else None,
    )
    snapshot = Snapshot(source="exec", origin=origin, statements=[statement], said=said)
    try:
        (store or memory).note(snapshot, patience_s=_WAIT_S)
    except OSError:
        memory.note(snapshot)
        raise


def _scope() -> Scope:
    """Returns the scope of a job that says none: a pod of Kubernetes is never the same host again."""
    return "any" if _IN_POD in os.environ else "host"
