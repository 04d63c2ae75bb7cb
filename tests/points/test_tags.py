"""Default tags."""

import pytest

from otel_job_measure import names
from otel_job_measure.points.tags import DefaultTags, resolve
from otel_job_measure.settings import Settings

RESOURCE = {
    "cloud.region": "eu-central-1",
    "cloud.availability_zone": "eu-central-1a",
    "service.name": "billing",
    "deployment.environment.name": "production",
    "deployment.environment": "prod",
}


def test_what_was_set_goes_before_the_resource() -> None:
    """Arguments and variables, which are settings alike, win over resource attributes."""
    settings = Settings(datacenter="dc", project="pr", stage="st")
    assert resolve(settings, RESOURCE) == DefaultTags(datacenter="dc", project="pr", stage="st")


def test_an_argument_goes_before_a_variable_and_a_variable_before_the_resource() -> None:
    """The order of the three, in one."""
    environ = {names.ENV_PROJECT: "of the variable", names.ENV_STAGE: "of the variable"}
    tags = resolve(Settings.from_env(environ, stage="of the argument"), RESOURCE)
    assert tags == DefaultTags(datacenter="eu-central-1", project="of the variable", stage="of the argument")


def test_the_resource_is_asked_in_order() -> None:
    """The first attribute that has a value counts."""
    assert resolve(Settings(), RESOURCE) == DefaultTags(
        datacenter="eu-central-1", project="billing", stage="production"
    )
    later = RESOURCE | {"cloud.region": "", "deployment.environment.name": ""}
    assert resolve(Settings(), later) == DefaultTags(datacenter="eu-central-1a", project="billing", stage="prod")


@pytest.mark.parametrize("name", ["unknown_service", "unknown_service:python", ""])
def test_a_service_name_that_the_sdk_made_up_is_none(name: str) -> None:
    """unknown_service:python is not a project."""
    assert resolve(Settings(), {"service.name": name}) == DefaultTags()


def test_a_region_may_be_called_anything() -> None:
    """Only a service's name is looked at that way."""
    assert resolve(Settings(), {"cloud.region": "unknown_service"}).datacenter == "unknown_service"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("web-1", "web-1"),
        (3, "3"),
        (1.5, "1.5"),
        (True, "true"),
        (("a", "ü"), '["a", "ü"]'),
        (b"raw", "b'raw'"),
    ],
)
def test_further_attributes_are_written_as_their_text(value: object, text: str) -> None:
    """A tag is text, whatever the attribute was."""
    assert resolve(Settings(tags=("host.name",)), {"host.name": value}).more == (("host.name", text),)


def test_further_attributes_without_a_value_are_left_out() -> None:
    """InfluxDB has no tag without a value."""
    settings = Settings(tags=("a", "b", "c"))
    assert resolve(settings, {"a": "", "b": None, "d": "not asked for"}).more == ()
