"""Settings for InfluxDB 1.x, and the variables of InfluxDB's own tools."""

import pickle
from pathlib import Path
from typing import Any

import pytest

from otel_job_measure.errors import SettingsError
from otel_job_measure.settings import Destination, Settings, environment
from tests.settings.support import PREFIX, SERVER, problems, settings

URL = {"INFLUXDB_URL": "http://h", "INFLUXDB_BUCKET": "db/rp"}
USER = {"INFLUXDB_USERNAME": "writer", "INFLUXDB_PASSWORD": 'pä: ss"word'}


@pytest.mark.parametrize(
    "credentials",
    [
        pytest.param({}, id="a server without users"),
        pytest.param(USER, id="user and password"),
        pytest.param({"INFLUXDB_TOKEN": "writer:password"}, id="both as a token"),
    ],
)
def test_no_org_is_needed(credentials: dict[str, str]) -> None:
    """A server needs a URL, a database and a user; the destination does not depend on the user."""
    found = Settings.from_env(URL | credentials)
    assert isinstance(found.destination, Destination)
    assert found.destination == Destination(url="http://h", org="", bucket="db/rp")
    assert found.destination.label == "http://h bucket=db/rp"
    assert found.destination_id == Settings.from_env(URL).destination_id


@pytest.mark.parametrize(
    ("given", "lacking"),
    [
        ({"INFLUXDB_URL": "http://h"}, ["INFLUXDB_ORG", "INFLUXDB_BUCKET", "INFLUXDB_TOKEN"]),
        ({"INFLUXDB_BUCKET": "b"}, ["INFLUXDB_URL", "INFLUXDB_ORG", "INFLUXDB_TOKEN"]),
        (URL | {"INFLUXDB_ORG": "o"}, ["INFLUXDB_TOKEN"]),
        (URL | {"INFLUXDB_TOKEN": "without-a-colon"}, ["INFLUXDB_ORG"]),
        (URL | {"INFLUXDB_TOKEN_FILE": "/run/token"}, ["INFLUXDB_ORG"]),
        (URL | {"INFLUXDB_USERNAME": "u"}, ["INFLUXDB_PASSWORD"]),
        (URL | {"INFLUXDB_PASSWORD": "p"}, ["INFLUXDB_USERNAME"]),
        (URL | {"INFLUXDB_PASSWORD_FILE": "/run/password"}, ["INFLUXDB_USERNAME"]),
        (USER | {"INFLUXDB_URL": "http://h"}, ["INFLUXDB_BUCKET"]),
        ({"INFLUXDB_TOKEN": "u:p", "INFLUXDB_BUCKET": "b"}, ["INFLUXDB_URL"]),
    ],
)
def test_what_is_missing_is_named(given: dict[str, str], lacking: list[str]) -> None:
    """InfluxDB 2 needs an org and a token: leaving out one of them is no InfluxDB 1.x."""
    [problem] = problems(given)
    named, _, advice = problem.partition(": missing; ")
    assert [word.partition(" ")[0] for word in named.split(", ")] == lacking
    assert "InfluxDB 1.x" in advice


def test_a_process_that_does_not_send_needs_no_password() -> None:
    """With SHIP=off its points are for the same destination as those of the process that sends them."""
    found = Settings.from_env(URL | {"INFLUXDB_USERNAME": "writer", PREFIX + "SHIP": "off"})
    assert found.destination_id == Settings.from_env(URL | USER).destination_id


def test_a_user_alone_means_nothing() -> None:
    """Other programs have such variables too."""
    assert Settings.from_env(USER) == Settings.from_env({}).changed(
        influxdb_username=USER["INFLUXDB_USERNAME"], influxdb_password=USER["INFLUXDB_PASSWORD"]
    )
    assert Settings.from_env(USER).destination is None


@pytest.mark.parametrize("name", ["a:b", ":", "two\nlines", 5])
def test_a_name_that_no_request_can_say_is_refused(name: object) -> None:
    """A colon ends the name in the header, so that the server would look for another user."""
    with pytest.raises(SettingsError, match="INFLUXDB_USERNAME"):
        settings(influxdb_username=name)


def test_a_token_takes_precedence_over_a_user_for_other_programs() -> None:
    """A setting that was complete stays as it was; as arguments the two contradict each other."""
    found = Settings.from_env(SERVER | USER)
    assert found == Settings.from_env(SERVER)
    one_of_ours: dict[str, str] = {PREFIX + name: value for name, value in USER.items()}
    found = Settings.from_env(SERVER | one_of_ours)
    assert (found.influxdb_token, found.influxdb_username) == (None, "writer")
    found = Settings.from_env(SERVER, influxdb_username="writer", influxdb_password="p")
    assert (found.influxdb_token, found.password()) == (None, "p")
    found = Settings.from_env(URL | USER, influxdb_token="a:b")
    assert (found.influxdb_username, found.influxdb_password, found.token()) == (None, None, "a:b")
    found = Settings.from_env(URL | USER, influxdb_password="another")
    assert (found.influxdb_username, found.password()) == ("writer", "another")
    both: Any = {"influxdb_token": "a:b", "influxdb_username": "u", "influxdb_password": "p"}
    with pytest.raises(SettingsError, match="both set"):
        Settings(influxdb_url="http://h", influxdb_bucket="b", **both)


def test_a_password_of_ours_goes_before_a_general_file(tmp_path: Path) -> None:
    """As tokens do; both at once in the same place are an error."""
    file = tmp_path / "password"
    file.write_text("of the file\n")
    general = URL | {"INFLUXDB_USERNAME": "u", "INFLUXDB_PASSWORD_FILE": str(file)}
    assert Settings.from_env(general).password() == "of the file"
    assert Settings.from_env(general | {PREFIX + "INFLUXDB_PASSWORD": "ours"}).password() == "ours"
    assert "both set" in problems(general | {"INFLUXDB_PASSWORD": "p"})[0]


def test_a_passwords_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """And takes what a token's file does not: spaces, colons, letters of any script."""
    file = tmp_path / "password"
    found = Settings.from_env(URL | {"INFLUXDB_USERNAME": "u", "INFLUXDB_PASSWORD_FILE": str(file)})
    with pytest.raises(SettingsError, match=r"INFLUXDB_PASSWORD_FILE.*No such file"):
        found.password()
    file.write_text(USER["INFLUXDB_PASSWORD"] + "\r\n")
    assert found.password() == USER["INFLUXDB_PASSWORD"]
    file.write_text("two\nlines")
    with pytest.raises(SettingsError, match="one password of printable characters") as caught:
        found.password()
    assert "lines" not in str(caught.value)


def test_a_password_is_shown_nowhere() -> None:
    """Not in a repr, nor in the error of another setting, nor in that of a wrong one."""
    found = Settings.from_env(URL | USER)
    assert USER["INFLUXDB_PASSWORD"] not in f"{found!r} {found} {found.destination!r}"
    assert pickle.loads(pickle.dumps(found)).password() == USER["INFLUXDB_PASSWORD"]
    for wrong in ({PREFIX + "TIMEOUT": "-1"}, {"INFLUXDB_PASSWORD": "hidden\x07word"}):
        [problem] = problems(URL | USER | wrong)
        assert USER["INFLUXDB_PASSWORD"] not in problem
        assert "hidden" not in problem


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What is warned of; nothing was before."""
    monkeypatch.setattr(environment._once, "_last_ns", dict[str, int]())
    return caplog


def test_variables_of_influxdbs_own_tools_are_named_in_one_warning(warnings: pytest.LogCaptureFixture) -> None:
    """Once, with the right spelling and no value, also if nothing else is set."""
    environ = {"INFLUX_TOKEN": "secret", "INFLUX_HOST": "h", "INFLUX_ORG": "o", "INFLUX_BUCKET_NAME": "b"}
    for _ in range(2):
        assert Settings.from_env(environ).destination is None
    assert warnings.text.count("WARNING") == 1
    assert (
        "INFLUX_HOST, INFLUX_TOKEN, INFLUX_ORG, INFLUX_BUCKET_NAME: set for InfluxDB's own tools;"
        " this package reads INFLUXDB_URL, INFLUXDB_TOKEN, INFLUXDB_ORG, INFLUXDB_BUCKET instead"
    ) in warnings.messages


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        (SERVER | {"INFLUX_TOKEN": "t", "INFLUX_HOST": "h"}, []),
        ({**SERVER, "INFLUXDB_TOKEN": "", "INFLUXDB_TOKEN_FILE": "/run/token", "INFLUX_TOKEN": "t"}, []),
        (URL | USER | {"INFLUX_TOKEN": "t", "INFLUX_PASSWORD": "p"}, []),
        ({"INFLUX_TOKEN": " ", "INFLUX_DEBUG": "1"}, []),
        ({"INFLUX_TOKEN": "t", PREFIX + "SINK": "otlp"}, []),
        (URL | {"INFLUX_USERNAME": "u", "INFLUX_PASSWORD": "p"}, ["INFLUXDB_USERNAME, INFLUXDB_PASSWORD"]),
        ({"INFLUXDB3_HOST_URL": "http://h"}, ["INFLUXDB_URL"]),
        ({"INFLUX_TOKEN": "t"}, ["INFLUXDB_TOKEN"]),
    ],
)
def test_only_what_is_missing_here_is_worth_a_warning(
    environ: dict[str, str], says: list[str], warnings: pytest.LogCaptureFixture
) -> None:
    """A setting that was given in whichever form needs no other spelling."""
    Settings.from_env(environ)
    assert [text.partition("reads ")[2].removesuffix(" instead") for text in warnings.messages] == says


def test_a_missing_setting_in_another_spelling_is_named_before_the_error(warnings: pytest.LogCaptureFixture) -> None:
    """The error says what is missing, the warning why."""
    assert "INFLUXDB_TOKEN" in problems(URL | {"INFLUXDB_ORG": "o", "INFLUX_TOKEN": "t"})[0]
    assert "INFLUX_TOKEN: set for" in warnings.text
