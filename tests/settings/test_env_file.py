"""Files with variables."""

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
    "line",
    [
        *(b"s3cr3t", b"=s3cr3t", b"A B=s3cr3t", b"1A=s3cr3t", b"A='s3cr3t", b'A="s3cr3t', b"A='s3'cr3t"),
        *(b"A=\xffs3cr3t", b"A=s3cr3t\0", b"[s3cr3t]", b"set A=s3cr3t"),
    ],
)
def test_a_foreign_line_is_told_and_the_others_count(
    tmp_path: Path, line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the file and the line's number; the line may hold a secret."""
    file = tmp_path / "env"
    file.write_bytes(b"TOKEN=s3cr3t\n\n" + line + b"\nPROJECT_NAME=billing\n")
    assert parse_env_file(file) == {"TOKEN": "s3cr3t", "PROJECT_NAME": "billing"}
    assert "env': line 3 is not KEY=VALUE" in caplog.text
    assert "s3cr3t" not in caplog.text


def test_many_foreign_lines_are_told_in_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file of another program, say."""
    file = tmp_path / "env"
    file.write_text("x\n" * 20)
    assert parse_env_file(file) == {}
    (record,) = caplog.records
    assert "line 1, 2, 3, 4, 5, … is not" in record.getMessage()


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """It says what is in the way."""
    with pytest.raises(SettingsError, match="No such file"):
        parse_env_file(tmp_path / "none")
    with pytest.raises(SettingsError, match="directory"):
        parse_env_file(tmp_path)
