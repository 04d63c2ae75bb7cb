"""What settings have to keep among themselves."""

import pytest

from otel_job_measure.errors import SettingsError
from otel_job_measure.settings import Settings
from tests.settings.support import PREFIX, SERVER, TOKEN, problems


@pytest.mark.parametrize("missing", SERVER)
def test_some_of_the_influxdb_variables_are_not_enough(missing: str) -> None:
    """All or none of them; the error names the one that is missing, by variable and argument."""
    (line,) = problems({name: value for name, value in SERVER.items() if name != missing})
    assert line.startswith(f"{missing} (argument {missing.lower()}): missing; ")
    assert TOKEN not in line


@pytest.mark.parametrize("only", SERVER)
def test_one_of_the_influxdb_variables_asks_for_all_others(only: str) -> None:
    """One line names all three."""
    (line,) = problems({only: SERVER[only]})
    assert {name for name in SERVER if f"{name} (argument" in line} == SERVER.keys() - {only}


def test_without_shipping_no_token_is_needed() -> None:
    """Another process has it; without a URL, too, the destination is whatever that process has."""
    off = {PREFIX + "SHIP": "off"}
    assert Settings.from_env(off).destination_id == "any"
    assert Settings.from_env(off | {"INFLUXDB_TOKEN": TOKEN}).destination_id == "any"
    without_token = {name: value for name, value in SERVER.items() if name != "INFLUXDB_TOKEN"}
    found = Settings.from_env(without_token | off)
    assert found.destination_id == Settings.from_env(SERVER).destination_id
    with pytest.raises(SettingsError, match="INFLUXDB_TOKEN"):
        found.token()
    (line,) = problems(off | {"INFLUXDB_URL": "http://h"})
    assert {name for name in SERVER if f"{name} (argument" in line} == {"INFLUXDB_ORG", "INFLUXDB_BUCKET"}


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        (SERVER | {PREFIX + "SHIP": "off", PREFIX + "CONFIRM_START": "server"}, "CONFIRM_START"),
        ({PREFIX + "HISTORY": "off"}, "HISTORY"),
        ({PREFIX + "STATE_DIR": "memory"}, "STATE_DIR"),
        (SERVER | {PREFIX + "STATE_DIR": "memory", PREFIX + "SHIP": "off"}, "STATE_DIR"),
    ],
)
def test_what_would_keep_nothing_or_wait_for_nothing_is_an_error(environ: dict[str, str], named: str) -> None:
    """It names the setting that doesn't go with the others."""
    (line,) = problems(environ)
    assert line.startswith(f"{PREFIX}{named} (argument {named.lower()}): got ")


@pytest.mark.parametrize(
    "environ",
    [
        SERVER | {PREFIX + "HISTORY": "off"},
        SERVER | {PREFIX + "STATE_DIR": "memory", PREFIX + "HISTORY": "off"},
        {PREFIX + "SHIP": "off", PREFIX + "HISTORY": "off"},
        {PREFIX + "CONFIRM_START": "server"},
    ],
)
def test_what_keeps_something_is_none(environ: dict[str, str]) -> None:
    """The other side of the rules: InfluxDB, or a file that is shipped later, is enough."""
    assert Settings.from_env(environ).in_memory == (environ.get(PREFIX + "STATE_DIR") == "memory")
