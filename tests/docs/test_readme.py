"""What the README shows is true."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from otel_job_measure.cli import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
_blocks = re.compile(r"^```(\w+)\n(.*?)^```$|<!-- invisible-code\n(.*?)-->", re.DOTALL | re.MULTILINE).findall


def blocks(language: str) -> list[str]:
    """Returns the README's code in one language, for Python with what is not shown."""
    return [
        shown or hidden
        for kind, shown, hidden in _blocks(README)
        if kind == language or (hidden and language == "python")
    ]


def test_the_examples_run(state_dir: Path) -> None:
    """All Python of the README, from its top to its end, as one program."""
    code = "\n".join(blocks("python"))
    assert code.count("import") > 5
    namespace: dict[str, Any] = {"__name__": "readme"}
    exec(compile(code, "README.md", "exec"), namespace)  # noqa: S102 - our own README
    measure = namespace["measure"]
    assert measure.close()
    assert (state_dir / "history.db").exists()


def commands() -> list[list[str]]:
    """Returns every command line of ours that the README shows, without what follows a pipe or stands after `--`."""
    text = "\n".join([*blocks("sh"), *blocks("crontab")])
    found = [shlex.split(line, comments=True) for line in re.findall(r"otel-job-measure .*", text)]
    return [words[1 : words.index("|") if "|" in words else None] for words in found]


def test_the_commands_are_understood(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each line about `runs` ends with 0, on a machine that has measured nothing yet."""
    lines = commands()
    assert [words[0] for words in lines].count("runs") == 3
    for words in lines:
        if words[0] == "runs":
            assert main(words) == 0
    assert "--since" not in capsys.readouterr().out


@pytest.mark.parametrize("target", ["demo", "test", "servers"])
def test_the_targets_of_make_exist(target: str) -> None:
    """What the README tells a stranger to type is in the Makefile."""
    assert f"make {target}" in README
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize(
    "page", [page.relative_to(ROOT).as_posix() for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))]
)
def test_links_lead_somewhere(page: str) -> None:
    """Every link of a page to another file of the project finds it."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert ((ROOT / page).parent / link).exists(), link
