"""A chart of how long a job waits, as SVG: bars on a logarithmic scale."""

import math
from collections.abc import Sequence
from html import escape
from typing import Final

from benchmarks.tables import shown

_WIDTH: Final = 760
_LEFT: Final = 250
_RIGHT: Final = 90
_BAR: Final = 18
_STEP: Final = 26
_TOP: Final = 46
_LEAST_NS: Final = 100.0
_OURS: Final = "#1b7f5c"
_OTHERS: Final = "#8a94a6"


def chart(title: str, values: Sequence[tuple[str, float]]) -> str:
    """Draws one bar for each value.

    Args:
        title: What stands above.
        values: Names and times in ns.

    Returns:
        The SVG document; ours are green.
    """
    ranked = sorted(values, key=lambda each: each[1])
    height = _TOP + _STEP * len(ranked) + 10
    decades = math.log10(max(value for _, value in ranked) / _LEAST_NS)
    scale = (_WIDTH - _LEFT - _RIGHT) / decades
    bars = [_bar(number, name, value, scale) for number, (name, value) in enumerate(ranked)]
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13" role="img">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
            f'<text x="10" y="26" font-size="15" font-weight="bold" fill="#1c2330">{escape(title)}</text>',
            *bars,
            "</svg>\n",
        ]
    )


def _bar(number: int, name: str, value: float, scale: float) -> str:
    y = _TOP + number * _STEP
    width = max(1.0, math.log10(max(value, _LEAST_NS) / _LEAST_NS) * scale)
    color = _OURS if name.startswith("ours") else _OTHERS
    middle = y + _BAR - 5
    return (
        f'<text x="{_LEFT - 8}" y="{middle}" text-anchor="end" fill="#1c2330">{escape(name)}</text>'
        f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="2" fill="{color}"/>'
        f'<text x="{_LEFT + width + 6:.1f}" y="{middle}" fill="#1c2330">{escape(shown(value, "us"))}</text>'
    )
