"""The templates and the files beside them, read once: later the process may lose the right to read them."""

import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Any, Final

import jinja2

from otel_job_measure.insight.pictures.style import style_of_pictures
from otel_job_measure.insight.words import zone
from otel_job_measure.printable import printable
from otel_job_measure.web import words

_TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_PLACE: Final = "otel_job_measure.web"


class Templates:
    """Renders pages; whatever is put in is escaped, and what would not show is written out."""

    def __init__(self) -> None:
        self.static: dict[str, tuple[str, bytes]] = {}
        for file in resources.files(_PLACE).joinpath("static").iterdir():
            self.static[file.name] = (_TYPES[file.name.rpartition(".")[2]], file.read_bytes())
        kind, sheet = self.static["page.css"]
        self.static["page.css"] = (kind, style_of_pictures().encode() + sheet)
        texts = {
            file.name: file.read_text(encoding="utf-8")
            for file in resources.files(_PLACE).joinpath("templates").iterdir()
        }
        self._environment = jinja2.Environment(
            loader=jinja2.DictLoader(texts),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=_seen,
            auto_reload=False,
        )
        shared: dict[str, Any] = {"static": self._address, "moment": words.moment, "zone": zone()}
        self._environment.globals.update(shared)
        self._environment.filters |= {"named": words.named, "exact": words.exact, "cut": words.cut}
        for name in texts:
            self._environment.get_template(name)

    def html(self, name: str, context: Mapping[str, Any]) -> str:
        """Returns a rendered template."""
        return self._environment.get_template(name).render(context)

    def _address(self, name: str) -> str:
        """Returns the URL of a file, which changes with its content."""
        return f"static/{name}?v={hashlib.sha256(self.static[name][1]).hexdigest()[:12]}"


def _seen(value: object) -> object:
    """Returns a text with control characters and the like written out; markup is left as it is."""
    return printable(value) if type(value) is str else value
