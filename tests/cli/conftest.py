"""What the tests of commands share."""

from collections.abc import Generator
from pathlib import Path

import pytest

from otel_job_measure.cli import check
from tests.support.two_users import two_users


@pytest.fixture(autouse=True)
def usual_check_s(monkeypatch: pytest.MonkeyPatch) -> float:
    """A check that may last, as a busy machine does not get far in ten seconds; how long it usually may."""
    usual_s: float = check._TIMEOUT_S
    monkeypatch.setattr(check, "_TIMEOUT_S", 100)
    return usual_s


@pytest.fixture
def place() -> Generator[Path]:
    """A folder with one part of root's and one of another user's."""
    with two_users() as found:
        yield found
