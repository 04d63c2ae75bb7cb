"""The elements of SVG. Places on the x axis are percentages: a picture fits every width, and its texts stay large."""

from collections.abc import Iterable
from html import escape
from typing import Final

from otel_job_measure.printable import printable

WIDTH: Final = 100.0


def safe(text: str) -> str:
    """Returns a text for the content of an element or for an attribute; what would act or not show is escaped."""
    return escape(printable(text))


def number(value: float) -> str:
    """Returns a coordinate, as short as it can be."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def wide(height: int, title: str, described: str, parts: Iterable[str], kind: str) -> str:
    """Returns a picture as wide as its place.

    Args:
        height: In pixels.
        title: What it shows.
        described: What it says, in a sentence or two.
        parts: What is drawn.
        kind: The class, for colours.
    """
    return _picture(f'width="100%" height="{height}"', title, described, parts, kind)


def small(size: tuple[int, int], title: str, described: str, parts: Iterable[str], kind: str) -> str:
    """Returns a picture of a fixed size, whose coordinates are pixels."""
    width, height = size
    return _picture(f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"', title, described, parts, kind)


def group(kind: str, parts: Iterable[str], shift: tuple[float, float] | None = None) -> str:
    """Returns parts of one class; a shift is in pixels. Without parts it is empty."""
    content = "".join(parts)
    if not content:
        return ""
    moved = f' transform="translate({number(shift[0])} {number(shift[1])})"' if shift else ""
    return f'<g class="{kind}"{moved}>{content}</g>'


def box(x: float, y: float, width: float, height: float) -> str:
    """Returns a rectangle; x and width are percentages."""
    return f'<rect x="{number(x)}%" y="{number(y)}" width="{number(width)}%" height="{number(height)}"/>'


def mark(x: float, y: float, width: int, height: int) -> str:
    """Returns a rectangle whose size is in pixels."""
    return f'<rect x="{number(x)}%" y="{number(y)}" width="{width}" height="{height}"/>'


def dot(x: float, y: float, radius: float) -> str:
    """Returns a circle."""
    return f'<circle cx="{number(x)}%" cy="{number(y)}" r="{number(radius)}"/>'


def line(x1: float, y1: float, x2: float, y2: float) -> str:
    """Returns a line."""
    return f'<line x1="{number(x1)}%" y1="{number(y1)}" x2="{number(x2)}%" y2="{number(y2)}"/>'


def text(x: float, y: float, content: str, anchor: str = "start") -> str:
    """Returns a text; `anchor` is `start`, `middle` or `end`."""
    end = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{number(x)}%" y="{number(y)}"{end}>{safe(content)}</text>'


def path(commands: str, kind: str) -> str:
    """Returns a path of a picture of a fixed size."""
    return f'<path class="{kind}" d="{commands}"/>' if commands else ""


def _picture(size: str, title: str, described: str, parts: Iterable[str], kind: str) -> str:
    told = f"<title>{safe(title)}</title><desc>{safe(described)}</desc>"
    return f'<svg class="pic {kind}" {size} role="img">{told}{"".join(parts)}</svg>'
