"""What can be set, and where it is looked for."""

import logging
import os
import pwd
from pathlib import Path

import pytest

from otel_job_measure.errors import SettingsError
from otel_job_measure.settings import Secret, Settings
from tests.settings.support import PREFIX, SERVER, TOKEN, problems, settings


def test_nothing_set_is_local_only() -> None:
    """Defaults, nothing to send, and a folder in the user's state directory."""
    found = Settings.from_env({"HOME": "/home/me"})
    assert found.destination is None
    assert found.destination_id == "local"
    assert found.state_path == Path("/home/me/.local/state/otel-job-measure")
    assert not found.in_memory


def test_every_setting_can_be_a_variable() -> None:
    """All variables of the design at once."""
    found = Settings.from_env(
        {
            **SERVER,
            "CLUSTER_DATACENTER": "eu",
            "PROJECT_NAME": "billing",
            "PROJECT_STAGE": "production",
            PREFIX + "STATE_DIR": "/var/lib/jobs",
            PREFIX + "HISTORY": "off",
            PREFIX + "RUNS": "No",
            PREFIX + "SHIP": "TRUE",
            PREFIX + "TAGS": "host.name, k8s.namespace.name,,host.name",
            PREFIX + "ERROR_MESSAGE": "1",
            PREFIX + "ON_ERROR": "LOG",
            PREFIX + "CONFIRM_START": "server",
            PREFIX + "CONFIRM_TIMEOUT": "500ms",
            PREFIX + "TIMEOUT": "2.5",
            PREFIX + "CA_FILE": __file__,
            PREFIX + "PROXY": "http://proxy:3128/",
            PREFIX + "RETENTION": "12h",
            PREFIX + "MAX_BYTES": "500MB",
            PREFIX + "SHUTDOWN_TIMEOUT": "0",
            PREFIX + "DISABLED": "false",
        }
    )
    assert found == Settings(
        influxdb_url="http://localhost:8086",
        influxdb_token=TOKEN,
        influxdb_org="my org",
        influxdb_bucket="jobs",
        datacenter="eu",
        project="billing",
        stage="production",
        state_dir=Path("/var/lib/jobs"),
        history=False,
        runs=False,
        tags=("host.name", "k8s.namespace.name"),
        error_message=True,
        on_error="log",
        confirm_start="server",
        confirm_timeout_s=0.5,
        timeout_s=2.5,
        ca_file=Path(__file__),
        proxy="http://proxy:3128",
        retention_s=43_200.0,
        max_bytes=500_000_000,
        shutdown_timeout_s=0.0,
    )
    assert found.token() == TOKEN


def test_the_environment_of_the_process_is_read_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only by `from_env`; `Settings` itself reads no variable but the home."""
    monkeypatch.setenv("PROJECT_NAME", "billing")
    assert Settings.from_env().project == "billing"
    assert Settings().project is None


def test_arguments_go_first() -> None:
    """Also where a variable says otherwise, whatever their types."""
    environ = {"PROJECT_NAME": "of the variable", PREFIX + "RUNS": "on", PREFIX + "TIMEOUT": "1"}
    found = Settings.from_env(environ, project="of the argument", runs=False, timeout_s=2)
    assert (found.project, found.runs, found.timeout_s) == ("of the argument", False, 2.0)


@pytest.mark.parametrize("nothing", ["", "  ", None])
def test_empty_is_unset(nothing: str | None) -> None:
    """In a variable and in an argument: what is looked up elsewhere is often empty."""
    assert Settings.from_env({"PROJECT_NAME": nothing or "", PREFIX + "RUNS": nothing or ""}) == Settings.from_env({})
    assert Settings.from_env({"PROJECT_NAME": "billing"}, project=nothing).project == "billing"
    assert settings(project=nothing, influxdb_token=nothing, timeout_s=nothing) == Settings()


@pytest.mark.parametrize("name", ["URL", "TOKEN", "TOKEN_FILE", "ORG", "BUCKET"])
def test_our_own_influxdb_variables_go_first(name: str, tmp_path: Path) -> None:
    """For apps that use the general ones for data of their own."""
    (tmp_path / "token").write_text(TOKEN)
    environ = SERVER | {"OTEL_JOB_MEASURE_INFLUXDB_TOKEN_FILE": str(tmp_path / "token")}
    values = {"URL": "https://ours", "TOKEN": "ours", "TOKEN_FILE": "/ours", "ORG": "ours", "BUCKET": "ours"}
    if name in {"TOKEN", "TOKEN_FILE"}:
        environ = SERVER
    found = Settings.from_env(environ | {f"OTEL_JOB_MEASURE_INFLUXDB_{name}": values[name]})
    value = getattr(found, f"influxdb_{name.lower()}")
    assert str(value.reveal() if isinstance(value, Secret) else value) == values[name]


def test_a_token_of_ours_goes_before_a_general_one_in_whichever_way(tmp_path: Path) -> None:
    """A file of ours before the app's token, a token as an argument before any file, and the other way round."""
    file = tmp_path / "token"
    file.write_text("from the file")
    ours = SERVER | {"OTEL_JOB_MEASURE_INFLUXDB_TOKEN_FILE": str(file)}
    assert Settings.from_env(ours).token() == "from the file"
    assert Settings.from_env(ours, influxdb_token="argument").token() == "argument"
    assert Settings.from_env(SERVER, influxdb_token_file=file).token() == "from the file"
    general = SERVER | {"INFLUXDB_TOKEN_FILE": str(file), "OTEL_JOB_MEASURE_INFLUXDB_TOKEN": "ours"}
    assert Settings.from_env(general).token() == "ours"
    assert "both set" in problems(SERVER | {"INFLUXDB_TOKEN_FILE": str(file)})[0]


def test_a_token_for_reading_comes_in_either_way(tmp_path: Path) -> None:
    """Itself or in a file, not both; an argument takes precedence over a variable, and it needs no other setting."""
    file = tmp_path / "token"
    file.write_text("from the file\n")
    assert Settings.from_env({PREFIX + "READ_TOKEN_FILE": str(file)}).reading_token() == "from the file"
    assert Settings.from_env({PREFIX + "READ_TOKEN": " ours "}, read_token_file=file).reading_token() == "from the file"
    assert (
        Settings.from_env({PREFIX + "READ_TOKEN_FILE": str(file)}, read_token="argument").reading_token() == "argument"
    )
    both = {PREFIX + "READ_TOKEN": "ours", PREFIX + "READ_TOKEN_FILE": str(file)}
    assert "both set" in problems(both)[0]
    assert "ours" not in repr(Settings.from_env({PREFIX + "READ_TOKEN": "ours"}))
    with pytest.raises(SettingsError, match=r"READ_TOKEN .* is missing"):
        Settings.from_env({}).reading_token()


@pytest.mark.parametrize("word", ["true", "1", "yes", "on", "True", "YES", " on "])
def test_words_for_true(word: str) -> None:
    """In whatever case."""
    assert Settings.from_env({PREFIX + "ERROR_MESSAGE": word}).error_message


@pytest.mark.parametrize("word", ["false", "0", "no", "off", "False", "OFF"])
def test_words_for_false(word: str) -> None:
    """In whatever case."""
    assert not Settings.from_env({PREFIX + "RUNS": word}).runs


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30d", 2_592_000),
        ("12h", 43_200),
        ("90m", 5400),
        ("600s", 600),
        ("600", 600),
        ("1.5 H", 5400),
        ("2w", 1_209_600),
    ],
)
def test_times_have_units(text: str, seconds: float) -> None:
    """A number alone is in seconds."""
    assert Settings.from_env({PREFIX + "RETENTION": text}).retention_s == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2000000", 2_000_000),
        ("500MB", 500_000_000),
        ("1GiB", 1024**3),
        ("1.5 gib", 1024**3 * 3 // 2),
        ("2G", 2_000_000_000),
        ("2048KiB", 2 * 1024**2),
        ("2000000B", 2_000_000),
    ],
)
def test_sizes_have_units(text: str, size: int) -> None:
    """Of ten and of two; a number alone is in bytes."""
    found = Settings.from_env({PREFIX + "MAX_BYTES": text}).max_bytes
    assert found == size
    assert isinstance(found, int)


def test_paths_are_absolute_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The process may go elsewhere later; `~` is the user's home, since no shell saw an env file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    assert Settings(state_dir="state/../jobs").state_path == tmp_path / "jobs"
    assert Settings(state_dir=Path("~/jobs")).state_path == Path("/home/me/jobs")
    assert Settings(influxdb_token_file="token", influxdb_url="http://h", influxdb_org="o", influxdb_bucket="b") == (
        Settings(influxdb_token_file=tmp_path / "token", influxdb_url="http://h", influxdb_org="o", influxdb_bucket="b")
    )


def test_the_state_directory_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """`XDG_STATE_HOME` where it is a whole path, else the home's."""
    environ = {"HOME": "/home/me", "XDG_STATE_HOME": "/state"}
    assert Settings.from_env(environ).state_path == Path("/state/otel-job-measure")
    environ["XDG_STATE_HOME"] = "relative"
    assert Settings.from_env(environ).state_path == Path("/home/me/.local/state/otel-job-measure")
    monkeypatch.setenv("XDG_STATE_HOME", "/process")
    assert Settings().state_path == Path("/process/otel-job-measure")


def test_an_empty_home_is_none() -> None:
    """It is no reason to write to the root of all folders: the user's own home is looked up."""
    found = Settings.from_env({"HOME": ""})
    assert found.state_path == Path(pwd.getpwuid(os.getuid()).pw_dir, ".local/state/otel-job-measure")


def test_a_user_without_a_home_has_memory_and_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As in a container that runs under an unknown number: no error, since no setting is wrong."""
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    found = Settings.from_env({})
    assert found.in_memory
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "OTEL_JOB_MEASURE_STATE_DIR" in caplog.text
    with pytest.raises(SettingsError, match="memory"):
        _ = found.state_path
