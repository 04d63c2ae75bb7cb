"""Secrets are never shown."""

import copy
import logging
import os
import pickle
import traceback
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from urllib3 import ProxyManager

from otel_job_measure import JobMeasure
from otel_job_measure.errors import SettingsError
from otel_job_measure.settings import Secret, Settings
from tests.settings.support import PREFIX, SERVER, TOKEN, from_env, settings

PASSWORD = "pr0xy-pa55"
PROXY = f"http://user:{PASSWORD}@proxy:3128"
FULL = Settings.from_env(SERVER, proxy=PROXY, state_dir="/state")
_measure: Any = JobMeasure  # with arguments that are wrong on purpose
MAKERS = (settings, partial(from_env, {}), cast("Any", FULL.changed), _measure, partial(_measure, FULL))


def shown_by(error: BaseException) -> str:
    """A traceback with all local variables of the frames that are not of this file."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    # What the caller itself keeps in its variables is its own business.
    told.stack = traceback.StackSummary.from_list([frame for frame in told.stack if frame.filename != __file__])
    return "".join(told.format())


def test_settings_show_no_secret() -> None:
    """Not in a repr, a str, a log, a tuple of them, a message about them."""
    shown = [repr(FULL), str(FULL), f"{FULL}", "%s" % FULL, repr(FULL.__getstate__())]  # noqa: UP031
    shown += [f"{FULL.influxdb_token}", f"{FULL.proxy}", str(FULL.proxy), repr(FULL.proxy), "%s" % FULL.proxy]  # noqa: UP031
    shown += [str(FULL.destination), FULL.destination_id]
    for text in shown:
        assert TOKEN not in text
        assert PASSWORD not in text
    assert FULL.token() == TOKEN


def test_a_secret_is_a_value() -> None:
    """It compares and hashes by what it hides."""
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert (repr(Secret("a")), str(Secret("a")), Secret("a").reveal()) == ("***", "***", "a")


def test_a_proxy_with_a_password_works_where_it_is_used() -> None:
    """Its characters are all there: only what is printed hides them."""
    assert FULL.proxy is not None
    assert FULL.proxy == PROXY
    proxy = ProxyManager(FULL.proxy).proxy
    assert proxy is not None
    assert (proxy.auth, proxy.host, proxy.port) == (f"user:{PASSWORD}", "proxy", 3128)


def test_settings_can_be_copied_and_sent_to_another_process() -> None:
    """Multiprocessing pickles them; the secrets go with them, and stay out of sight."""
    unpickled: Settings = pickle.loads(pickle.dumps(FULL))
    for found in (copy.copy(FULL), copy.deepcopy(FULL), unpickled):
        assert found == FULL
        assert type(found) is Settings
        assert hash(found) == hash(FULL)
        assert found.token() == TOKEN
        assert PASSWORD not in repr(found)


def test_settings_are_compared_by_all_that_was_set() -> None:
    """As values are, in a set and with something else too."""
    assert FULL.changed(project="p") != FULL
    assert hash(FULL.changed(project="p")) != hash(FULL)
    assert len({FULL, FULL.changed(), FULL.changed(runs=False)}) == 2
    assert object() != FULL
    assert repr(FULL).startswith("Settings(influxdb_url='http://localhost:8086', influxdb_token=***, ")


def test_changed_settings_are_checked_as_new_ones_are() -> None:
    """What is not named stays, the secrets too; None unsets."""
    changed = FULL.changed(project="p", proxy=None)
    assert (changed.project, changed.proxy, changed.token(), changed.state_path) == ("p", None, TOKEN, Path("/state"))
    assert FULL.changed() == FULL
    assert FULL.__replace__(project="p") == FULL.changed(project="p")
    with pytest.raises(SettingsError, match="TIMEOUT"):
        FULL.changed(timeout_s=-1)
    with pytest.raises(SettingsError, match="INFLUXDB_BUCKET"):
        FULL.changed(influxdb_bucket=None)


def test_settings_are_frozen() -> None:
    """A running shipper relies on them."""
    with pytest.raises(AttributeError, match="project"):
        FULL.project = "another"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]  # what is tested
    with pytest.raises(AttributeError, match="project"):
        del FULL.project  # pyright: ignore[reportAttributeAccessIssue]  # as above
    with pytest.raises(AttributeError, match="projct"):
        cast("Any", FULL).projct = "another"
    assert FULL.changed() == FULL


class Noted(Settings):
    """Settings of an app that keeps more beside them."""

    note: str


def test_settings_can_be_extended() -> None:
    """A subclass may have attributes of its own, which change as they like, and stays one when it is changed."""
    found = Noted(project="p", state_dir="/state")
    found.note = "one"
    found.note = "two"
    assert (found.note, found.project) == ("two", "p")
    with pytest.raises(AttributeError, match="project"):
        found.project = "q"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]  # what is tested
    assert type(found.changed(project="q")) is Noted
    assert found != Settings(project="p", state_dir="/state")
    del found.note
    assert not hasattr(found, "note")


@pytest.mark.parametrize(
    "wrong",
    [
        {"influxdb_token": f"{TOKEN}\n{TOKEN}"},
        {"influxdb_token": f"{TOKEN}\x7f"},
        {"read_token": TOKEN.encode()},
        {"read_token": [f"{TOKEN}\x7f"]},
        {"influxdb_token": f"{TOKEN}ü"},
        {"influxdb_token": f"{TOKEN}\udcff"},
        {"influxdb_token": TOKEN.encode()},
        {"influxdb_token": [TOKEN]},
        {"influxdb_url": f"http://user:{TOKEN}@localhost"},
        {"influxdb_url": f"http://{TOKEN}@localhost"},
        {"influxdb_url": f"http://localhost?token={TOKEN}"},
        {"influxdb_url": f"http://user:{TOKEN}@[::1"},
        {"influxdb_url": f"user:{TOKEN}@localhost"},
        {"influxdb_url": f"http://localhost#{TOKEN}"},
        {"influxdb_url": f"http://user:{TOKEN}@localhost".encode()},
        {"proxy": f"ftp://user:{TOKEN}@proxy"},
        {"proxy": f"http://user:{TOKEN}@proxy:port"},
        {"proxy": f"http://user:{TOKEN}@pro xy"},
        {"timeout_s": -1},
        {"influxdb_bucket": None, "influxdb_token": f" {TOKEN} "},
        {"projct": "billing"},
    ],
)
def test_no_error_shows_a_secret(wrong: dict[str, object]) -> None:
    """Not in its message, nor in a traceback with the local variables of our frames."""
    good = {name.lower(): text for name, text in SERVER.items()} | {"proxy": PROXY}
    environ = {name.upper(): value for name, value in (good | wrong).items() if isinstance(value, str)}
    environ[PREFIX + "PROXY"] = environ.pop("PROXY")
    errors: list[BaseException] = []
    for make in MAKERS:
        with pytest.raises((SettingsError, TypeError)) as caught:
            make(**good | wrong)
        errors.append(caught.value)
    if all(isinstance(value, str) for value in wrong.values()) and "projct" not in wrong:
        with pytest.raises(SettingsError) as caught:
            from_env(environ)
        errors.append(caught.value)
    for error in errors:
        for text in (str(error), repr(error), shown_by(error)):
            assert TOKEN not in text
            assert PASSWORD not in text
        assert error.__cause__ is None
        assert error.__context__ is None


def test_a_token_is_stripped() -> None:
    """A newline at its end comes with every `echo` into a secret's file."""
    assert Settings.from_env(SERVER | {"INFLUXDB_TOKEN": f"  {TOKEN}\r\n"}).token() == TOKEN


def server(file: Path) -> Settings:
    """Settings with their token in a file."""
    return Settings(influxdb_url="http://h", influxdb_org="o", influxdb_bucket="b", influxdb_token_file=file)


def test_a_tokens_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """Tokens get rotated: by writing to the file, or by putting another in its place."""
    file = tmp_path / "token"
    found = server(file)
    with pytest.raises(SettingsError, match=r"INFLUXDB_TOKEN_FILE.*No such file"):
        found.token()
    file.write_text("first\n")
    assert found.token() == "first"
    file.write_text("the second")
    assert found.token() == "the second"
    another = tmp_path / "another"
    another.write_text("third")
    another.rename(file)
    assert found.token() == "third"
    assert server(file).token() == "third"
    file.unlink()
    with pytest.raises(SettingsError, match="No such file"):
        found.token()


def test_a_tokens_file_is_not_read_while_it_stays_the_same(tmp_path: Path) -> None:
    """A look at the file's times is enough, since each request asks."""
    file = tmp_path / "token"
    file.write_text("first")
    found = server(file)
    assert found.token() == "first"
    file.chmod(0o644)
    before = file.stat()
    with file.open("r+") as same:
        same.write("other")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert found.token() == "first"


@pytest.mark.parametrize("held", [b"", b" \n", b"two\nlines", b"caf\xc3\xa9", b"\xff\xfe", b"x" * 70_000])
def test_a_file_without_a_token_is_an_error_that_does_not_show_it(tmp_path: Path, held: bytes) -> None:
    """Neither in the message nor in a traceback with local variables."""
    file = tmp_path / "token"
    file.write_bytes(held)
    with pytest.raises(SettingsError, match="INFLUXDB_TOKEN_FILE") as caught:
        server(file).token()
    shown = shown_by(caught.value)
    assert "model.py" in shown
    for secret in ("two", "lines", "caf", "xxxx"):
        assert secret not in shown


def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Settings that are right are not worth a word, even at DEBUG."""
    with caplog.at_level(logging.DEBUG):
        Settings.from_env(SERVER, proxy=PROXY)
    assert not caplog.records


@pytest.mark.parametrize(
    "wrong",
    [
        {"INFLUXDB_URL": TOKEN},
        {"INFLUXDB_URL": f"http://{TOKEN}/x y"},
        {"INFLUXDB_URL": f"http://localhost:{TOKEN}"},
        {"INFLUXDB_URL": f"http://localhost/{TOKEN}/api/v2"},
        {f"{PREFIX}PROXY": f"http://user:{TOKEN}"},
        {f"{PREFIX}PROXY": f"user:{TOKEN}"},
        {f"{PREFIX}SINK": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": TOKEN.lower().replace("_", "")},
    ],
)
def test_a_secret_in_the_wrong_variable_is_not_shown(wrong: dict[str, str]) -> None:
    """People mix variables up; an error shows no more of a URL than a plain address."""
    with pytest.raises(SettingsError) as caught:
        from_env((SERVER if f"{PREFIX}SINK" not in wrong else {}) | wrong)
    assert TOKEN.lower().replace("_", "") not in str(caught.value).lower().replace("_", "")
    assert "not shown" in str(caught.value)


def test_a_token_in_place_of_its_file_is_not_shown(tmp_path: Path) -> None:
    """A name of more than 40 characters may be the token itself."""
    token = "x" * 88
    with pytest.raises(SettingsError, match=r"a file with a long name in .*: No such file") as caught:
        server(tmp_path / token).token()
    assert token not in shown_by(caught.value).replace(f"PosixPath('{tmp_path / token}')", "")
