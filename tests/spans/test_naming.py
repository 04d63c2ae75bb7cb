import enum
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest

from otel_job_measure.spans.naming import name_of, usable_name


class Job(str, enum.Enum):  # noqa: UP042 - its str() is not its value, as that of StrEnum is
    NIGHTLY = "nightly"


class Broken:
    @property
    def name(self) -> str:
        raise ZeroDivisionError

    def __getitem__(self, key: str) -> str:
        raise OSError


class Both(dict[str, Any]):
    name = "of the attribute"


@pytest.mark.parametrize(
    ("ctx", "name"),
    [
        (SimpleNamespace(name="nightly"), "nightly"),
        ({"name": "nightly"}, "nightly"),
        (Both(name="of the item"), "of the attribute"),
        (SimpleNamespace(name=Job.NIGHTLY), "nightly"),
        ({"name": Job.NIGHTLY}, "nightly"),
    ],
)
def test_the_name_is_an_attribute_or_an_item(ctx: object, name: str) -> None:
    """The attribute first; both kinds of context have been in use."""
    found = name_of(ctx)
    assert found == name
    assert type(found) is str


def test_an_unusable_attribute_gives_way_to_the_item() -> None:
    """A mapping may have an attribute `name` that is nothing of ours."""

    class Odd(dict[str, Any]):
        name = None

    assert name_of(Odd(name="nightly")) == "nightly"


@pytest.mark.parametrize(
    ("ctx", "said"),
    [
        (SimpleNamespace(), "neither"),
        ({}, "neither"),
        (None, "neither"),
        (["name"], "neither"),
        (Broken(), "neither"),
        (SimpleNamespace(name=7), "int"),
        ({"name": b"nightly"}, "bytes"),
        ({"name": ""}, "empty"),
        (SimpleNamespace(name=None), "NoneType"),
    ],
)
def test_without_a_usable_name_a_job_is_unnamed(ctx: object, said: str, caplog: pytest.LogCaptureFixture) -> None:
    """Measured all the same, with one warning a kind of trouble."""
    assert [name_of(ctx), name_of(ctx)] == ["unnamed", "unnamed"]
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert said in record.getMessage()
    assert "unnamed" in record.getMessage()


def test_each_kind_of_trouble_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """One warning does not hide another."""
    for ctx in ({}, {"name": 7}, {"name": 8.0}, {"name": ""}):
        name_of(ctx)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 4


def test_looking_for_a_name_leaves_no_trace() -> None:
    """A defaultdict makes an item of every look."""
    ctx: defaultdict[str, list[str]] = defaultdict(list)
    assert name_of(ctx) == "unnamed"
    assert not ctx


def test_an_interruption_while_looking_goes_on() -> None:
    """It was meant for the job."""

    class Interrupted:
        @property
        def name(self) -> str:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        name_of(Interrupted())


def test_a_usable_name_is_given_back() -> None:
    """Any string that isn't empty is one."""
    assert usable_name(" ", "x") == " "
