"""Files with variables."""

import traceback
from pathlib import Path

import pytest

from otel_job_measure.errors import SettingsError
from otel_job_measure.settings import Settings, parse_env_file

TEXT = r"""
# a comment
  # another = one
PLAIN=value
export EXPORTED=yes
export	TABBED = spaced out
EMPTY=
HASH=a#b
FIRST_HASH=#b
COMMENT=value # of this
NOTHING= # but this
SINGLE='a "b" $c \n # d'  # comment
DOUBLE="a 'b' \"c\" \\ \$d \n # e"
EQUALS=a=b==
TWICE=1
TWICE=2
UMLAUT=ü
"""


def test_a_file_is_read_as_a_shell_would_read_it(tmp_path: Path) -> None:
    """But for expansion, which there is none of; a mark at its beginning and CR LF don't matter."""
    expected = {
        "PLAIN": "value",
        "EXPORTED": "yes",
        "TABBED": "spaced out",
        "EMPTY": "",
        "HASH": "a#b",
        "FIRST_HASH": "#b",
        "COMMENT": "value",
        "NOTHING": "",
        "SINGLE": 'a "b" $c \\n # d',
        "DOUBLE": "a 'b' \"c\" \\ $d \\n # e",
        "EQUALS": "a=b==",
        "TWICE": "2",
        "UMLAUT": "ü",
    }
    file = tmp_path / "env"
    file.write_text(TEXT, encoding="utf-8")
    assert parse_env_file(file) == expected
    file.write_text(TEXT, encoding="utf-8-sig", newline="\r\n")
    assert parse_env_file(str(file)) == expected


def test_it_can_stand_for_an_environment(tmp_path: Path) -> None:
    """What it is for."""
    file = tmp_path / "env"
    file.write_text("PROJECT_NAME='my project'\n")
    assert Settings.from_env(parse_env_file(file)).project == "my project"


@pytest.mark.parametrize(
    "line", ["s3cr3t", "=s3cr3t", "A B=s3cr3t", "1A=s3cr3t", "A='s3cr3t", 'A="s3cr3t', "A='s3'cr3t"]
)
def test_a_wrong_line_is_an_error_that_does_not_show_it(tmp_path: Path, line: str) -> None:
    """It names the file and the line's number; the line may hold a secret, and so may those before it."""
    file = tmp_path / "env"
    file.write_text(f"TOKEN=s3cr3t\n\n{line}\n")
    with pytest.raises(SettingsError, match="env': line 3 ") as caught:
        parse_env_file(file)
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    told.stack = traceback.StackSummary.from_list([frame for frame in told.stack if frame.filename != __file__])
    assert "s3cr3t" not in "".join(told.format())


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """It says what is in the way."""
    with pytest.raises(SettingsError, match="No such file"):
        parse_env_file(tmp_path / "none")
    with pytest.raises(SettingsError, match="directory"):
        parse_env_file(tmp_path)
    (tmp_path / "env").write_bytes(b"A=\xff")
    with pytest.raises(SettingsError, match="UTF-8"):
        parse_env_file(tmp_path / "env")
