"""`python -m benchmarks.states` writes the table of states into docs/monitor.md, and its drawing beside it."""

import re
from html import escape
from pathlib import Path
from typing import Final

from otel_job_measure.insight.findings import FINE, RUNNING, STATES

DOCS: Final = Path(__file__).parents[1] / "docs"
_LEVELS: Final = ("ok", "warning", "critical", "unknown")
_COLOURS: Final = ("#2e7d32", "#b26a00", "#c62828", "#5e35b1")
_WIDTH: Final = 900
_ROW: Final = 46
_TOP: Final = 64
_LEGEND: Final = "upper line: what makes it; lower line: what clears it; the first one that holds is the state"
_TIP: Final = (
    '<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">'
    '<path d="M0,0 L8,4 L0,8 z" fill="#555"/></marker></defs>'
)


def table() -> str:
    """Returns the rows of the table of states."""
    rows = [f"| `{kind.name}` | {_LEVELS[kind.level]} | {kind.holds} | {kind.clears} |" for kind in STATES]
    return "\n".join(["| state | level | what makes it | what clears it |", "|---|---|---|---|", *rows])


def drawing() -> str:
    """Returns the states as SVG: each beside `ok` or `running`, with what leads to it and back."""
    kinds = [kind for kind in STATES if kind.name not in {FINE, RUNNING}]
    height = _TOP + _ROW * len(kinds) + 20
    middle = (_TOP + height) // 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        _TIP,
        '<text x="20" y="28" font-size="15" font-weight="bold">The states of a job</text>',
        f'<text x="20" y="48" font-size="12" fill="#555">{_LEGEND}</text>',
        _box(20, middle - 52, FINE, 0),
        _box(20, middle + 18, RUNNING, 0),
        _arrow(50, middle - 18, 50, middle + 18),
        _arrow(90, middle + 18, 90, middle - 18),
        f'<text x="98" y="{middle + 4}" font-size="11" fill="#555">start, end</text>',
    ]
    for place, kind in enumerate(kinds):
        y = _TOP + _ROW * place
        parts += [
            f'<path d="M190,{y + 17} H780" stroke="#555" fill="none" marker-end="url(#tip)"/>',
            f'<path d="M780,{y + 23} H190" stroke="#aaa" fill="none" marker-end="url(#tip)"/>',
            f'<text x="204" y="{y + 13}" font-size="11">{escape(kind.holds.replace("`", ""))}</text>',
            f'<text x="204" y="{y + 35}" font-size="11" fill="#555">{escape(kind.clears.replace("`", ""))}</text>',
            _box(784, y + 3, kind.name, kind.level),
        ]
    trunk = _TOP + 17, _TOP + _ROW * (len(kinds) - 1) + 23
    parts.append(f'<path d="M190,{trunk[0]} V{trunk[1]} M190,{middle} H160" stroke="#555" fill="none"/>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def filled(page: str) -> str:
    """Returns the page with the table of states between its markers."""
    return re.sub(
        r"(<!-- states -->\n).*?(<!-- /states -->)",
        lambda found: f"{found[1]}{table()}\n{found[2]}",
        page,
        flags=re.DOTALL,
    )


def _box(x: int, y: int, name: str, level: int) -> str:
    return (
        f'<rect x="{x}" y="{y}" width="104" height="34" rx="6" fill="{_COLOURS[level]}"/>'
        f'<text x="{x + 52}" y="{y + 22}" font-size="13" fill="#fff" text-anchor="middle">{name}</text>'
    )


def _arrow(x1: int, y1: int, x2: int, y2: int) -> str:
    return f'<path d="M{x1},{y1} L{x2},{y2}" stroke="#555" fill="none" marker-end="url(#tip)"/>'


if __name__ == "__main__":
    page = DOCS / "monitor.md"
    page.write_text(filled(page.read_text()))
    (DOCS / "monitor.svg").write_text(drawing())
