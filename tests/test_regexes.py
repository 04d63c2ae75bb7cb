"""No text can make a regular expression of the package take more than linear time."""

import ast
import importlib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.steps import Steps, TooManyStepsError, deep

PACKAGE: Final = Path(__file__).parents[1] / "otel_job_measure"
METHODS: Final = {"compile", "findall", "finditer", "fullmatch", "match", "search", "split", "sub", "subn"}
OWN_TEXT: Final = {
    ("settings/secret.py", "mask"): "words of the user's own secrets, each with a bound before and after it",
    ("spans/rules.py", "__post_init__"): "the user's own rule",
}
"""Patterns that are made of texts, with the reason why no other person's text is in them."""
N: Final = 20


def patterns() -> "Iterator[tuple[str, str, re.Pattern[Any]]]":
    """Yields each pattern of the package, with its file and the method that it is used with."""
    for file in sorted(PACKAGE.rglob("*.py")):
        name = file.relative_to(PACKAGE).as_posix()
        parents: dict[ast.AST, ast.AST] = {}
        for node in ast.walk(ast.parse(file.read_text())):
            parents |= dict.fromkeys(ast.iter_child_nodes(node), node)
            if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "re"):
                continue
            if node.attr in METHODS and (name, function_of(node, parents)) not in OWN_TEXT:
                yield from of_use(name, node, parents[node], parents)


def function_of(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> str:
    """Returns the function that a node is in."""
    while node in parents:
        node = parents[node]
        if isinstance(node, ast.FunctionDef):
            return node.name
    return ""


def of_use(
    name: str, node: ast.Attribute, call: ast.AST, parents: dict[ast.AST, ast.AST]
) -> "Iterator[tuple[str, str, re.Pattern[Any]]]":
    """Yields the pattern of a call such as `re.compile(p).search`, `re.sub(p, …)` or `partial(re.sub, p)`."""
    if not isinstance(call, ast.Call):
        return  # an annotation
    module = importlib.import_module(f"otel_job_measure.{name.removesuffix('.py').replace('/', '.')}")
    arguments = call.args if call.func is node else call.args[1:]
    words = {each.arg: each.value for each in call.keywords if each.arg == "flags"}
    values = [eval(compile(ast.Expression(each), name, "eval"), vars(module)) for each in arguments[:1]]  # noqa: S307
    rest = [*(arguments[1:2] if node.attr == "compile" else []), *words.values()]
    flags = [eval(compile(ast.Expression(each), name, "eval"), vars(module)) for each in rest]  # noqa: S307
    used = parents.get(call)
    how = used.attr if node.attr == "compile" and isinstance(used, ast.Attribute) else node.attr
    yield name, how, re.compile(values[0], *flags)


def parts(pattern: "re.Pattern[Any]") -> list[str]:
    """Returns short texts that a pattern has something to do with: its words, and a character of each class."""
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    words = re.findall(r"[A-Za-z_]{3,}[=\"]*", source)
    chars = {char for char in source if char in " \\,=\"'<>/.-:#" or char.isdigit()}
    return [*dict.fromkeys([*sorted(chars), "0", "a", "ie", "\\\\ ", "\\\\,", *words[:6]])]


def attacks(pattern: "re.Pattern[Any]", n: int) -> Iterator[str]:
    """Yields texts with a part that is repeated n times, behind a beginning and before an end that does not fit."""
    found = parts(pattern)
    pumped = [*found, *("".join(pair) for pair in itertools.permutations(found[:6], 2))]
    for pump, head, tail in itertools.product(pumped, ("", "a=", "scheduling-job,a "), ("", "!\n")):
        yield head + pump * n + tail


PATTERNS: Final = list(dict.fromkeys(patterns()))


def worst(pattern: "re.Pattern[Any]", how: str) -> str | None:
    """Returns the first text that takes more than its share of steps; a square of the length would take four times."""
    with deep():
        for once, twice in zip(attacks(pattern, N), attacks(pattern, 2 * N), strict=True):
            try:
                few, many = Steps(pattern, once).run(how), Steps(pattern, twice).run(how)
            except TooManyStepsError:
                return once
            if many > 2.6 * few + 50:
                return once
    return None


@pytest.mark.parametrize(("file", "how", "pattern"), PATTERNS, ids=lambda each: getattr(each, "pattern", each))
def test_a_text_of_twice_the_length_takes_twice_the_steps(file: str, how: str, pattern: "re.Pattern[Any]") -> None:
    """Counted by a matcher of our own, over many texts that repeat a part."""
    assert worst(pattern, how) is None


@pytest.mark.parametrize(
    ("wrong", "how"),
    [
        (r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", "fullmatch"),
        (r"[ \t\0]*(-?[0-9]+)? *", "fullmatch"),
        (r"(a+)+b", "match"),
        (r"(?:a|a)*b", "match"),
        (r"<[^>]*>", "sub"),
        (r"(?<!\\)(?:\\\\)+ .*(?<!\\)(?:\\\\)+[,=]", "search"),
    ],
)
def test_a_pattern_that_backtracks_is_found(wrong: str, how: str) -> None:
    """The texts and the count find the kinds of mistakes that there were."""
    assert worst(re.compile(wrong), how) is not None


def test_all_patterns_are_there() -> None:
    """The search for patterns finds those that are compiled at once, at their first use, and inside of a function."""
    files = {file for file, _, _ in PATTERNS}
    assert {"points/line_protocol.py", "settings/parsers.py", "history/row_parser.py", "delivery/lines.py"} <= files
    assert len(PATTERNS) > 30
