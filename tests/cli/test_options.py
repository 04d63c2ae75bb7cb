"""Words of the command line that are numbers or times, and warnings about files with secrets."""

import argparse
import io
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_job_measure.cli import main, options
from otel_job_measure.cli.options import count, since_ns
from otel_job_measure.errors import SettingsError
from otel_job_measure.settings import Settings, parse_env_file, secret

if TYPE_CHECKING:
    from collections.abc import Callable

DIGITS = st.text(st.sampled_from("0123456789\u0663\uff13\u0ce8\xb2+-_.eE infNAxX,"), max_size=40)
LONG = st.tuples(st.sampled_from("0159\u0663"), st.integers(100, 9000)).map(lambda each: each[0] * each[1])
UNITS = st.sampled_from(["", "s", "m", "h", "d", "w", "ms", "kB", "GiB", "KIB", "parsec"])
NUMBERS: Any = {
    "timeout_s": float,
    "confirm_timeout_s": float,
    "shutdown_timeout_s": float,
    "heartbeat_s": float,
    "retention_s": float,
    "max_bytes": int,
}


@given(st.one_of(DIGITS, LONG), UNITS)
def test_a_number_is_read_or_refused_in_one_short_line(digits: str, unit: str) -> None:
    """Whatever digits, signs and units come: never a traceback, and never a message as long as the word."""
    readers: list[Callable[[str], int]] = [since_ns, count(1, 10**9)]
    for read in readers:
        found = told = None
        try:
            found = read(digits + unit)
        except argparse.ArgumentTypeError as error:
            told = str(error)
        assert -(2**63) <= (found or 0) < 2**63
        assert found is not None or (told and len(told) < 1000 and "\n" not in told)


@given(st.one_of(DIGITS, LONG), UNITS)
def test_a_setting_is_read_or_refused_in_one_short_line(digits: str, unit: str) -> None:
    """Each setting that is a number, a duration or a size."""
    for argument, kind in NUMBERS.items():
        arguments: Any = {argument: digits + unit}
        found, told = kind(), ""
        try:
            found = getattr(Settings(state_dir="/state", **arguments), argument)
        except SettingsError as error:
            told = str(error)
        assert type(found) is kind
        assert 0 <= found < 2**63
        assert len(told.splitlines()) <= 1
        assert len(told) < 1000


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 10**400, True, None, [], b"1", 1j])
def test_a_number_of_a_wrong_kind_is_refused(value: object) -> None:
    """None counts as unset."""
    for argument in NUMBERS:
        arguments: Any = {argument: value}
        if value is None:
            Settings(state_dir="/state", **arguments)
        else:
            with pytest.raises(SettingsError):
                Settings(state_dir="/state", **arguments)


@pytest.mark.parametrize("words", [["runs", "--since", "9" * 100_000 + "d"], ["runs", "--limit", "9" * 5000]])
def test_a_wrong_number_is_one_clear_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """It shows the beginning of what it got."""
    with pytest.raises(SystemExit):
        main(words)
    error = capsys.readouterr().err
    assert "999'… (" in error
    assert len(error) < 2000


@pytest.mark.parametrize("words", [["\x1b]52;c;eA==\a"], ["runs", "\x1b[2J"], ["runs", "--status", "\u202e"]])
def test_wrong_usage_is_told_without_control_characters(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A script may pass on what it got from elsewhere."""
    with pytest.raises(SystemExit):
        main(words)
    assert capsys.readouterr().err.replace("\n", "").isprintable()


def test_log_lines_of_a_command_have_no_control_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those of libraries; the lines of a traceback stay lines."""
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    root = logging.getLogger()
    before = root.handlers[:]
    root.handlers.clear()
    try:
        options.log_to_stderr()
        logging.getLogger("elsewhere").warning("one\x1b[2J %s", "\u202etwo")
    finally:
        root.handlers[:] = before
    assert written.getvalue() == "WARNING: one\\x1b[2J \\u202etwo\n"


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Warnings, as a fresh process has them."""
    monkeypatch.setattr(secret._once, "_last_ns", {})
    return caplog


@pytest.mark.parametrize(
    ("mode", "says"), [(0o666, "read and write"), (0o644, "may read"), (0o602, "may write"), (0o640, ""), (0o600, "")]
)
def test_a_file_of_secrets_that_every_user_may_use_is_warned_of_once(
    warned: pytest.LogCaptureFixture, tmp_path: Path, mode: int, says: str
) -> None:
    """An env file with a token, and the file of a token; a group may be there to read it."""
    env_file, token = tmp_path / "env", tmp_path / "token"
    env_file.write_text("INFLUXDB_TOKEN=very-secret")
    token.write_text("very-secret")
    env_file.chmod(mode)
    token.chmod(mode)
    settings = Settings(influxdb_url="http://h", influxdb_org="o", influxdb_bucket="b", influxdb_token_file=token)
    for _ in range(3):
        parse_env_file(env_file)
        assert settings.token() == "very-secret"
    assert [says in record.message for record in warned.records] == ([True, True] if says else [])
    assert "very-secret" not in warned.text


def test_an_env_file_without_secrets_may_be_read_by_all(warned: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """A project and a stage are nothing to hide."""
    env_file = tmp_path / "env"
    env_file.write_text("PROJECT_NAME=p")
    env_file.chmod(0o644)
    parse_env_file(env_file)
    assert not warned.records
