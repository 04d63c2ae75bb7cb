"""The page about settings says what the code does."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import get_args, get_type_hints

from otel_job_measure.settings import Arguments, Settings, parse_env_file
from otel_job_measure.settings.table import SETTINGS, is_set

_DEFAULTS: Mapping[str, object] = {setting.argument: setting.default for setting in SETTINGS}
PAGE = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")


def table() -> list[list[str]]:
    """The rows of the table, without its head."""
    rows = [line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_the_table_has_every_setting_as_the_code_has_it() -> None:
    """Variables, arguments, what they take, in the same words and order; and something about each."""
    assert [row[:3] for row in table()] == [
        [f"`{setting.variable}`", f"`{setting.argument}`", setting.takes] for setting in SETTINGS
    ]
    for row in table():
        assert len(row) == 5
        assert row[4].endswith(".")


def test_the_table_has_the_defaults() -> None:
    """Each default on the page, converted like a value that was set, is the default of `Settings`."""
    settings = {setting.argument: setting for setting in SETTINGS}
    for _, argument, _, default, _ in table():
        name = argument.strip("`")
        if name == "state_dir":  # found at run time; tests of their own
            assert default == "`~/.local/state/otel-job-measure`"
        elif default:
            assert settings[name].convert(default.strip("`")) == _DEFAULTS[name]
        else:
            assert _DEFAULTS[name] in (None, ())


def test_each_default_is_a_value_that_the_setting_takes() -> None:
    """And stays as it is: nothing was set where it stands."""
    for setting in SETTINGS:
        if is_set(setting.default):
            assert setting.convert(setting.default) == setting.default


def test_arguments_and_settings_have_the_same_names() -> None:
    """A new setting must be added to both; an argument takes each value that the field can have."""
    arguments, settings = get_type_hints(Arguments), get_type_hints(Settings)
    assert list(arguments) == list(settings)
    for name, kind in settings.items():
        assert set(get_args(kind) or [kind]) <= set(get_args(arguments[name]) or [arguments[name]])


def test_every_variable_on_the_page_exists() -> None:
    """No word in capitals that looks like ours is anything else."""
    known = {variable for setting in SETTINGS for variable in setting.variables}
    named = set(re.findall(r"\b(?:OTEL_JOB_MEASURE|OTEL_EXPORTER|INFLUXDB|CLUSTER|PROJECT)_[A-Z_]*[A-Z]\b", PAGE))
    assert named <= known
    assert len(named) > len(SETTINGS)


def test_the_example_of_a_file_can_be_read(tmp_path: Path) -> None:
    """As it stands on the page."""
    example = re.search(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None
    (tmp_path / "env").write_text(example[1])
    assert parse_env_file(tmp_path / "env") == {
        "INFLUXDB_URL": "https://influxdb.example:8086",
        "INFLUXDB_ORG": "my org",
        "INFLUXDB_TOKEN_FILE": "/run/secrets/influxdb",
    }
    assert Settings.from_env(parse_env_file(tmp_path / "env"), influxdb_bucket="jobs").destination is not None
