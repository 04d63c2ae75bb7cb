"""What the tests of commands share."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.support.two_users import two_users


@pytest.fixture
def place() -> Generator[Path]:
    """A folder with one part of root's and one of another user's."""
    with two_users() as found:
        yield found
