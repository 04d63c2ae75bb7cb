"""A history of a small company, made once for each pytest process."""

import os
import shutil
import time
from collections.abc import Generator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, sync_playwright

from otel_job_measure.clock import SystemClock
from otel_job_measure.history.history import History
from otel_job_measure.insight.history_store import HistoryStore
from otel_job_measure.journal.state_dir import StateDir
from tests.web import made

CHROMIUM: Final = shutil.which("chromium")
FLAGS: Final = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
NEEDS_CHROMIUM: Final = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("CI"), reason="no Chromium: run `make servers` first"
)


def store_in(folder: Path, kind: type[HistoryStore] = HistoryStore) -> HistoryStore:
    """Returns the history of a state directory as a store."""
    history = History(StateDir(folder).history, retention_s=1e9, clock=SystemClock())
    return kind(history, SystemClock())


@pytest.fixture(scope="session")
def company_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state directory of a company."""
    folder = tmp_path_factory.mktemp("company") / "state"
    made.company(time.time_ns(), days=3, fine=8).write(folder)
    return folder


@pytest.fixture
def company(company_dir: Path) -> HistoryStore:
    """The history of a company."""
    return store_in(company_dir)


@pytest.fixture(scope="session")
def odd_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state directory of jobs with odd names."""
    folder = tmp_path_factory.mktemp("odd") / "state"
    made.odd(time.time_ns()).write(folder)
    return folder


@pytest.fixture
def odd(odd_dir: Path) -> HistoryStore:
    """The history of jobs with odd names."""
    return store_in(odd_dir)


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    """A Chromium without a window."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield found
        found.close()
