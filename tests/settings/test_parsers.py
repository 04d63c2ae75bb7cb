"""What is said about a wrong value."""

import logging

import pytest

from otel_job_measure.errors import SettingsError
from otel_job_measure.settings import Settings, environment
from otel_job_measure.settings.table import SETTINGS
from tests.settings.support import PREFIX, SERVER, from_env, problems, settings

WRONG: list[tuple[str, object]] = [
    ("influxdb_org", "two\nlines"),
    ("influxdb_org", 5),
    ("influxdb_bucket", "a\x00b"),
    ("datacenter", 5),
    ("project", b"bytes"),
    ("stage", ["production"]),
    ("state_dir", 5),
    ("state_dir", "a\x00b"),
    ("state_dir", b"/bytes"),
    ("state_dir", "~nobody-has-this-name/jobs"),
    ("history", "perhaps"),
    ("history", 1),
    ("runs", "tru"),
    ("ship", 0.0),
    ("tags", 5),
    ("tags", [5]),
    ("tags", b"host.name"),
    ("tags", "job"),
    ("tags", "host.name,Stage"),
    ("tags", "time"),
    ("tags", "table"),
    ("tags", "_value"),
    ("tags", "_x"),
    ("tags", "error_type"),
    ("tags", "a\nb"),
    ("tags", "a\\b"),
    ("tags", "ü" * 65),
    ("tags", ",".join(f"tag{number}" for number in range(17))),
    ("error_message", "2"),
    ("on_error", "ignore"),
    ("on_error", True),
    ("confirm_start", "yes"),
    ("confirm_timeout_s", 0),
    ("confirm_timeout_s", "1 fortnight"),
    ("timeout_s", "nan"),
    ("timeout_s", "inf"),
    ("timeout_s", float("nan")),
    ("timeout_s", float("inf")),
    ("timeout_s", -1),
    ("timeout_s", "-1"),
    ("timeout_s", "0"),
    ("timeout_s", True),
    ("timeout_s", 86_401),
    ("timeout_s", "1e3"),
    ("timeout_s", "\u0661"),
    ("timeout_s", "9" * 400),
    ("timeout_s", 10**400),
    ("timeout_s", [1]),
    ("ca_file", "/no/such/file"),
    ("ca_file", "/"),
    ("proxy", "proxy:3128"),
    ("proxy", "ftp://proxy:3128"),
    ("proxy", "http://proxy/path"),
    ("proxy", "http://proxy:99999"),
    ("proxy", 5),
    ("retention_s", "30"),
    ("retention_s", "30 days"),
    ("retention_s", "40000d"),
    ("max_bytes", "1kB"),
    ("max_bytes", "1.2.3GB"),
    ("max_bytes", 1000),
    ("max_bytes", "lots"),
    ("max_bytes", "1GX"),
    ("max_bytes", "2000TiB"),
    ("shutdown_timeout_s", -0.1),
    ("disabled", "maybe"),
]


@pytest.mark.parametrize(("argument", "value"), WRONG, ids=[f"{argument}={value!a:.40}" for argument, value in WRONG])
def test_a_wrong_value_is_one_clear_error(argument: str, value: object) -> None:
    """It names the variable and the argument, shows what it got, cut, and says what belongs there."""
    setting = next(each for each in SETTINGS if each.argument == argument)
    found = [problems(SERVER, **{argument: value})]
    with pytest.raises(SettingsError) as caught:
        settings(**{name.lower(): text for name, text in SERVER.items()} | {argument: value})
    found.append(str(caught.value).splitlines())
    if isinstance(value, str):
        found.append(problems(SERVER | {setting.variable: value}))
    for (line,) in found:
        assert line.startswith(f"{setting.variable} (argument {argument}): got ")
        assert line.endswith(f"; it takes {setting.takes}")
        shown = line.split(": got ")[1]
        assert ascii(value)[:60] in shown or "not shown" in shown
        assert len(line) < 700
        assert line.isprintable()


def test_all_problems_are_told_at_once() -> None:
    """One line each, so that a user can mend all of them at once."""
    lines = problems({PREFIX + "RUNS": "perhaps", PREFIX + "TIMEOUT": "soon", "INFLUXDB_ORG": "o"}, max_bytes=-1)
    assert [line.split(" ")[0] for line in lines] == [
        PREFIX + "RUNS",
        PREFIX + "TIMEOUT",
        PREFIX + "MAX_BYTES",
        "INFLUXDB_URL",
    ]


def test_a_wrong_value_is_not_missing() -> None:
    """A bad URL is one problem, not two."""
    assert len(problems(SERVER | {"INFLUXDB_URL": "localhost"})) == 1
    assert len(problems(SERVER | {"INFLUXDB_TOKEN": "a\nb"})) == 1


def test_an_unknown_argument_is_an_error_that_names_what_is_near() -> None:
    """A slip of the pen would else leave a setting at its default."""
    assert problems({}, projct="billing") == ["there is no argument projct; the nearest are project, proxy"]
    (line,) = problems({}, qqqqqq=1)
    assert all(setting.argument in line for setting in SETTINGS)
    assert len(problems({}, projct="billing", timeout_s=-1)) == 2
    with pytest.raises(SettingsError, match="no argument projct; the nearest are project"):
        settings(projct="billing")
    with pytest.raises(SettingsError, match="TIMEOUT"):
        settings(projct="billing", timeout_s=-1)


def test_an_unknown_variable_is_a_warning_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It names what may be meant, and never shows the value; other programs' variables mean nothing to us."""
    monkeypatch.setattr(environment._once, "_last_ns", dict[str, int]())
    environ = {
        PREFIX + "TIMEOUTS": "secret",
        PREFIX + "PROJECT_NAME": "secret",
        PREFIX + "QQQQQQ": "secret",
        "OTEL_SDK_DISABLED": "true",
        "INFLUXDB_V2_URL": "http://h",
    }
    for _ in range(2):
        assert Settings.from_env(environ) == Settings.from_env({})
    assert caplog.messages == [
        "OTEL_JOB_MEASURE_TIMEOUTS is set but unknown; did you mean OTEL_JOB_MEASURE_TIMEOUT?",
        "OTEL_JOB_MEASURE_PROJECT_NAME is set but unknown; did you mean PROJECT_NAME?",
        "OTEL_JOB_MEASURE_QQQQQQ is set but unknown",
    ]
    assert {(record.levelno, record.name) for record in caplog.records} == {
        (logging.WARNING, "otel_job_measure.settings.environment")
    }


def test_the_switch_that_turns_everything_off_works_whatever_else_is_wrong() -> None:
    """A user who turns the package off in a hurry gets no errors about time-outs."""
    environ = {PREFIX + "DISABLED": "true", PREFIX + "TIMEOUT": "soon", "INFLUXDB_URL": "localhost"}
    found = Settings.from_env(environ, influxdb_token="a\nb", tags=("job",))
    assert found == Settings.from_env({PREFIX + "DISABLED": "true"})
    assert settings(disabled=True, timeout_s="soon") == Settings(disabled=True)
    assert from_env(environ, history=False).disabled
