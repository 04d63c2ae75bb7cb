"""Programs that a process starts get nothing of an env file."""

import os
from pathlib import Path

import pytest

from otel_job_measure.insight.notify.command import sender
from otel_job_measure.insight.notify.message import Message
from otel_job_measure.settings import environment
from otel_job_measure.settings.environment import environment_for_programs, take_from_file


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment of the test's own."""
    monkeypatch.setattr(environment, "_of_files", dict[str, str]())
    for name in ("LD_PRELOAD", "OF_THE_FILE", "INFLUXDB_TOKEN", "EMPTY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OF_THE_PARENT", "parent")
    monkeypatch.setenv("EMPTY", "")


VARIABLES = {"OF_THE_FILE": "a", "OF_THE_PARENT": "b", "LD_PRELOAD": "/x.so", "INFLUXDB_TOKEN": "secret", "EMPTY": "c"}


def test_only_this_process_has_what_a_file_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the parent has set stays, and is for programs too."""
    for name in VARIABLES:
        monkeypatch.setenv(name, os.environ.get(name, ""))
    take_from_file(VARIABLES)
    assert {name: os.environ[name] for name in VARIABLES} == VARIABLES | {"OF_THE_PARENT": "parent"}
    given = environment_for_programs()
    assert given.keys() & VARIABLES.keys() == {"OF_THE_PARENT"}
    assert given["OF_THE_PARENT"] == "parent"


def test_a_command_for_notifications_gets_nothing_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither secrets nor a library to load."""
    for name in VARIABLES:
        monkeypatch.setenv(name, os.environ.get(name, ""))
    take_from_file({**VARIABLES, "LD_PRELOAD": ""})
    script = tmp_path / "told"
    script.write_text(f"#!/bin/sh\ncat >/dev/null\nenv >{tmp_path}/seen\n")
    script.chmod(0o755)
    sender(f"exec:{script}", "")(Message(id="1", subject="s", text="t", body={}), timeout_s=30)
    seen = (tmp_path / "seen").read_text()
    assert "OF_THE_PARENT=parent" in seen
    assert "OF_THE_FILE" not in seen
    assert "secret" not in seen
