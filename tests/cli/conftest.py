"""What the tests of commands share."""

from collections.abc import Generator
from pathlib import Path

import pytest

from otel_job_measure.cli import check
from tests.support.two_users import two_users


@pytest.fixture(autouse=True)
def _long_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that may last: in ten seconds, a busy machine does not get far."""
    monkeypatch.setattr(check, "_TIMEOUT_S", 100)


@pytest.fixture
def place() -> Generator[Path]:
    """A folder with one part of root's and one of another user's."""
    with two_users() as found:
        yield found
