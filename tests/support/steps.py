"""A backtracking matcher that counts its steps, for patterns of `re`."""

import importlib
import re
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final

c: Any = importlib.import_module("re._constants")
_parser: Any = importlib.import_module("re._parser")
_SINGLE: Final = (c.LITERAL, c.NOT_LITERAL, c.ANY, c.IN)
Rest = Callable[[int], bool]
_CATEGORIES: Final[dict[Any, Callable[[str], bool]]] = {
    c.CATEGORY_DIGIT: str.isdigit,
    c.CATEGORY_NOT_DIGIT: lambda char: not char.isdigit(),
    c.CATEGORY_SPACE: str.isspace,
    c.CATEGORY_NOT_SPACE: lambda char: not char.isspace(),
    c.CATEGORY_WORD: lambda char: char.isalnum() or char == "_",
    c.CATEGORY_NOT_WORD: lambda char: not (char.isalnum() or char == "_"),
}


class TooManyStepsError(Exception):
    """The number of steps is beyond all proportion to the text."""


class Steps:
    """Matches one text as `re` does, and counts how often it compares a character or a position."""

    def __init__(self, pattern: "re.Pattern[Any]", text: str) -> None:
        source: Any = pattern.pattern
        self._parsed: Any = _parser.parse(
            source if isinstance(source, str) else source.decode("latin-1"), pattern.flags
        )
        self._ignores_case = bool(pattern.flags & re.IGNORECASE)
        self._all = bool(pattern.flags & re.DOTALL)
        self._text = text
        self._groups: dict[int, str] = {}
        self.count = 0
        self._most = 100 * (len(text) + 100)

    def run(self, how: str) -> int:
        """Matches with a method of a pattern, and returns the number of steps; it gives up after very many."""
        at = 0
        while at <= len(self._text):
            ends: list[int] = []
            found = self._match(list(self._parsed), at, self._end(ends, how))
            if how in ("match", "fullmatch") or (found and how == "search"):
                break
            at = max(at + 1, ends[0]) if found else at + 1
        return self.count

    def _end(self, ends: list[int], how: str) -> Rest:
        def end(at: int) -> bool:
            ends[:] = [at]
            return how != "fullmatch" or at == len(self._text)

        return end

    def _match(self, items: list[Any], at: int, rest: Rest) -> bool:
        if not items:
            return rest(at)
        self.count += 1
        if self.count > self._most:
            raise TooManyStepsError
        (kind, value), others = items[0], items[1:]

        def more(end: int) -> bool:
            return self._match(others, end, rest)

        handler = getattr(self, f"_{str(kind).lower()}", None)
        if handler is not None:
            return bool(handler(value, at, more))
        return at < len(self._text) and self._takes(kind, value, self._text[at]) and more(at + 1)

    def _takes(self, kind: Any, value: Any, char: str) -> bool:  # noqa: ANN401 - the parser's own constants
        if kind is c.LITERAL:
            return char == chr(value) or (self._ignores_case and char.lower() == chr(value).lower())
        if kind is c.NOT_LITERAL:
            return char != chr(value)
        if kind is c.ANY:
            return self._all or char != "\n"
        if kind is c.RANGE:
            return bool(value[0] <= ord(char) <= value[1])
        if kind is c.CATEGORY:
            return bool(_CATEGORIES[value](char))
        assert kind is c.IN, kind
        negated = value[0][0] is c.NEGATE
        return negated != any(self._takes(each[0], each[1], char) for each in value if each[0] is not c.NEGATE)

    def _at(self, value: Any, at: int, more: Rest) -> bool:  # noqa: ANN401 - the same
        if value in (c.AT_BEGINNING, c.AT_BEGINNING_STRING):
            return at == 0 and more(at)
        if value in (c.AT_END, c.AT_END_STRING):
            return at == len(self._text) and more(at)
        assert value is c.AT_BOUNDARY, value
        before, after = self._text[at - 1 : at], self._text[at : at + 1]
        return before.isalnum() != after.isalnum() and more(at)

    def _subpattern(self, value: Any, at: int, more: Rest) -> bool:  # noqa: ANN401 - the same
        group, _, _, items = value

        def closed(end: int) -> bool:
            self._groups[group] = self._text[at:end]
            return more(end)

        return self._match(list(items), at, closed)

    def _groupref(self, group: int, at: int, more: Rest) -> bool:
        text = self._groups.get(group, "")
        return self._text.startswith(text, at) and more(at + len(text))

    def _branch(self, value: Any, at: int, more: Rest) -> bool:  # noqa: ANN401 - the same
        return any(self._match(list(items), at, more) for items in value[1])

    def _assert(self, value: Any, at: int, more: Rest) -> bool:  # noqa: ANN401 - the same
        return self._looks(value, at) and more(at)

    def _assert_not(self, value: Any, at: int, more: Rest) -> bool:  # noqa: ANN401 - the same
        return not self._looks(value, at) and more(at)

    def _looks(self, value: Any, at: int) -> bool:  # noqa: ANN401 - the same
        direction, items = value
        start = at if direction > 0 else at - items.getwidth()[0]
        return start >= 0 and self._match(list(items), start, lambda _: True)

    def _atomic_group(self, items: Any, at: int, more: Rest) -> bool:  # noqa: ANN401 - the same
        end = self._first_end(list(items), at)
        return end is not None and more(end)

    def _possessive_repeat(self, value: Any, at: int, more: Rest) -> bool:  # noqa: ANN401 - the same
        least, most, items = value
        times = 0
        while times < most:
            end = self._first_end(list(items), at)
            if end is None or end == at:
                break
            at, times = end, times + 1
        return times >= least and more(at)

    def _first_end(self, items: list[Any], at: int) -> int | None:
        ends: list[int] = []
        return ends[0] if self._match(items, at, self._end(ends, "")) else None

    def _max_repeat(self, value: Any, at: int, more: Rest) -> bool:  # noqa: ANN401 - the same
        return self._repeat(value, at, more, greedy=True)

    def _min_repeat(self, value: Any, at: int, more: Rest) -> bool:  # noqa: ANN401 - the same
        return self._repeat(value, at, more, greedy=False)

    def _repeat(self, value: Any, at: int, more: Rest, *, greedy: bool) -> bool:  # noqa: ANN401 - the same
        least, most, items = value
        if len(items) == 1 and items[0][0] in _SINGLE:
            return self._run_of_chars(value, at, more, greedy=greedy)

        def again(times: int, now: int) -> bool:
            def once() -> bool:
                return times < most and self._match(list(items), now, lambda end: end > now and again(times + 1, end))

            if greedy:
                return once() or (times >= least and more(now))
            return (times >= least and more(now)) or once()

        return again(0, at)

    def _run_of_chars(self, value: Any, at: int, more: Rest, *, greedy: bool) -> bool:  # noqa: ANN401 - the same
        least, most, [single] = value
        end = at
        while end < len(self._text) and end - at < most and self._takes(single[0], single[1], self._text[end]):
            end += 1
        self.count += end - at
        ends = range(at + least, end + 1)
        return any(more(each) for each in (reversed(ends) if greedy else ends))


@contextmanager
def deep() -> Generator[None]:
    """Lets the matcher call itself for each character."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
