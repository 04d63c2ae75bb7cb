"""Which targets are told of which job."""

import pytest

from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.insight.notify.routes import Route, Routes
from otel_job_measure.insight.notify.target import target_of

GENERAL, BILLING, PRODUCTION, IMPORTS, NIGHTLY = (
    target_of(f"mailto:{name}@example.com") for name in ("general", "billing", "production", "imports", "nightly")
)
ROUTES = Routes(
    [
        Route(target=GENERAL),
        Route(target=BILLING, project="billing"),
        Route(target=PRODUCTION, stage="production"),
        Route(target=IMPORTS, jobs=("import*",)),
        Route(target=NIGHTLY, jobs=("nightly", "nightly"), project="billing"),
    ]
)


@pytest.mark.parametrize(
    ("job", "told"),
    [
        (JobId("report", "shop", "staging"), [GENERAL]),
        (JobId("report", "billing", "staging"), [BILLING]),
        (JobId("report", "billing", "production"), [BILLING, PRODUCTION]),
        (JobId("import", "billing", "production"), [IMPORTS]),
        (JobId("nightly", "billing", "production"), [NIGHTLY]),
        (JobId("nightly", "shop", "staging"), [GENERAL]),
        (JobId("Import", "shop", ""), [GENERAL]),
        (JobId(""), [GENERAL]),
    ],
)
def test_those_that_say_most_exactly_what_they_want_are_told(job: JobId, told: list[object]) -> None:
    """Jobs before projects and stages before all; a host or the store concerns those that want all."""
    assert ROUTES.of(job) == told


def test_without_a_general_target_all_are_told_of_hosts_and_none_of_other_jobs() -> None:
    """A dead host concerns each project; a job that no target wants concerns none."""
    routes = Routes([Route(target=BILLING, project="billing"), Route(target=IMPORTS, jobs=("import*",))])
    assert routes.of(JobId("")) == [BILLING, IMPORTS]
    assert routes.of(JobId("report", "shop")) == []


def test_a_target_of_several_routes_is_one() -> None:
    """It gets each message once."""
    routes = Routes([Route(target=BILLING, jobs=("a*",)), Route(target=BILLING, jobs=("*b",))])
    assert (routes.targets, routes.of(JobId("ab"))) == ([BILLING], [BILLING])
