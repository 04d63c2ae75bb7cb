"""A picture, and the table that says the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from otel_job_measure.insight.pictures.svg import safe


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What is shown in one place.

    Args:
        title: What it shows.
        said: What it says, in a sentence or two.
        svg: The drawing, with `<title>` and `<desc>`.
        head: The headings of the table.
        rows: The rows of the table, each as long as `head`.
    """

    title: str
    said: str
    svg: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def html(self) -> str:
        """Returns the drawing with its table, which opens without a script."""
        head = "".join(f'<th scope="col">{safe(text)}</th>' for text in self.head)
        rows = "".join(f"<tr>{''.join(f'<td>{safe(text)}</td>' for text in row)}</tr>" for row in self.rows)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        caption = f"Table: {safe(self.title)}"
        # It scrolls if it is wide or long, so the keyboard has to reach it.
        scrolled = f'<div tabindex="0" role="region" aria-label="{caption}">{table}</div>'
        return f"<figure>{self.svg}<details><summary>{caption}</summary>{scrolled}</details></figure>"

    __html__ = html
