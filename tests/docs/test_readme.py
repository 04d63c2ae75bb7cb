"""The README and the pages: their examples run, their commands exist, their links lead somewhere."""

import argparse
import re
import shlex
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from otel_job_measure import cli
from otel_job_measure.settings.table import SETTINGS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
_block = re.compile(r"^```(\w+)\n(.*?)^```$|^<!-- invisible-code\n(.*?)^-->$", re.MULTILINE | re.DOTALL)
_link = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_ours = re.compile(r"\b(?:OTEL_JOB_MEASURE|INFLUXDB|CLUSTER|PROJECT)_[A-Z_]+\b(?!…)")


def examples(page: str = README) -> list[tuple[int, str]]:
    """Returns a page's Python, in the order of the page, each with the number of lines before it."""
    return [
        (page.count("\n", 0, found.start()) + 1, found[2] if found[1] == "python" else found[3])
        for found in _block.finditer(page)
        if found[1] in {"python", None}
    ]


def shell_lines() -> list[str]:
    """Returns the commands of the README, those of its crontab too."""
    found = [
        line.partition("#")[0].strip()
        for block in _block.finditer(README)
        if block[1] in {"sh", "crontab"}
        for line in block[2].splitlines()
    ]
    return [line for line in found if line]


def headings(page: Path) -> set[str]:
    """Returns the anchors of a page, as they are made of its headings."""
    found = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_the_examples_of_the_readme_run(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One after the other, in one namespace, as a reader runs them."""
    namespace: dict[str, Any] = {"__name__": "readme"}
    for before, code in examples():
        exec(compile("\n" * before + code, ROOT / "README.md", "exec"), namespace)  # noqa: S102 - our own page
    assert len(examples()) > 8
    assert capsys.readouterr().out == "None 0 0 0 {}\n"
    assert state_dir.is_dir()


def test_the_examples_of_the_entry_points_run(state_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One after the other; only the last `finish` of the first example finds no open run."""
    page = ROOT / "docs" / "entry-points.md"
    namespace: dict[str, Any] = {"__name__": "entry_points"}
    for before, code in examples(page.read_text(encoding="utf-8")):
        exec(compile("\n" * before + code, page, "exec"), namespace)  # noqa: S102 - our own page
    assert namespace["handle"].job == "report"
    assert len(caplog.records) == 1
    assert state_dir.is_dir()


def test_the_pictures_are_small_and_ask_nothing_of_others() -> None:
    """Those that stand first; `python -m tests.docs.pictures` draws them."""
    pictures = [ROOT / name for name in re.findall(r'(?:\]\(|srcset="|src=")(docs/[^")]+)', README.split("```")[0])]
    assert [picture.name for picture in pictures] == [
        "jobs.svg",
        "page-dark.png",
        "page.png",
        "job-dark.png",
        "job.png",
    ]
    assert all(0 < picture.stat().st_size <= 150_000 for picture in pictures)
    assert not re.search(
        r"""(?:src|href)=|url\((?!#)""", pictures[0].read_text(encoding="utf-8").replace('xlink:href="#', "")
    )


def test_the_examples_can_fail() -> None:
    """The parser of this test sees the code that checks the examples, too."""
    assert sum("assert" in code for _, code in examples()) > 3


def parser() -> argparse.ArgumentParser:
    """Returns a command line with every command."""
    made = argparse.ArgumentParser(prog="otel-job-measure")
    commands = made.add_subparsers(required=True)
    for command in cli._COMMANDS.values():
        command().add_parser(commands)
    return made


def test_our_commands_exist_with_the_options_that_are_shown() -> None:
    """Whatever the README shows of `otel-job-measure` can be parsed."""
    lines = [line.replace("$MEASURE", "otel-job-measure") for line in shell_lines()]
    shown = [re.split("[|>]", line.partition("otel-job-measure ")[2].removeprefix("--version"))[0] for line in lines]
    shown += [found.partition("`")[0] for found in README.split("`otel-job-measure ")[1:]]
    names = {words[0]: parser().parse_args(words) for line in shown if (words := shlex.split(line))}
    assert {"runs", "exec", "ship"} <= names.keys()


def test_the_targets_of_make_exist() -> None:
    """`make demo`, `make test` and whatever else is named."""
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = set(re.findall(r"\bmake (\w+)", "\n".join([*shell_lines(), *re.findall(r"`(.*?)`", README)])))
    assert {"demo", "test", "servers"} <= shown <= targets


def test_what_is_to_be_installed_exists() -> None:
    """The distribution and its extras have the names that the README tells."""
    extras = metadata.metadata("otel-job-measure").get_all("Provides-Extra") or []
    shown = re.findall(r"pip install '?([\w-]+)(?:\[(\w+)\])?", README)
    assert {name for name, _ in shown} == {"otel-job-measure"}
    assert {extra for _, extra in shown if extra} <= set(extras)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_variable_that_is_named_exists(page: Path) -> None:
    """A variable that means nothing would be set in vain."""
    known = {variable for setting in SETTINGS for variable in setting.variables}
    named = set(_ours.findall(page.read_text(encoding="utf-8")))
    assert {name for name in named - known if not name.startswith("INFLUXDB_TEST_")} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_lead_somewhere(page: Path) -> None:
    """To a file of the project, and to a heading that is on it."""
    for link in _link.findall(page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in headings(target), link
