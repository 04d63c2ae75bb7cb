"""What separates the parts of a line from each other, and how texts that hold such characters are written.

InfluxDB's rules, which differ from one part of a line to another:

- In a measurement, a tag key and a tag value a backslash means something only before a comma, a space or (in tags) an
  equals sign; any other backslash is itself, also one of two in a row. So a backslash that stands before a comma is
  kept by putting another one between them, and one at the end cannot be written.
- In a string a backslash means something before a quote and before a backslash, and both are escaped.
- Looking for the end of a line, InfluxDB takes every backslash for an escape of what follows. `misread` tells where
  that would end a line elsewhere.
"""

import re

_ESCAPED_MEASUREMENT = str.maketrans({",": r"\,", " ": r"\ "})
_ESCAPED_TAG = str.maketrans({",": r"\,", " ": r"\ ", "=": r"\="})
_ESCAPED_STRING = str.maketrans({'"': r"\"", "\\": r"\\"})
_MISREAD = r"(?<!\\)(?:\\\\)+ .*(?<!\\)(?:\\\\)+[,=]"


def escape_measurement(text: str) -> str:
    """Escapes what separates a measurement from the rest."""
    return text.translate(_ESCAPED_MEASUREMENT)


def escape_tag(text: str) -> str:
    """Escapes what separates keys and values of tags, and keys of fields, from the rest."""
    return text.translate(_ESCAPED_TAG)


def quote(text: str) -> str:
    """Writes a text as the value of a string field, quotes included."""
    return f'"{text.translate(_ESCAPED_STRING)}"'


def misread(head: str) -> bool:
    r"""Tells whether InfluxDB would look for the end of this line in a wrong place.

    It takes `\\` for one escaped backslash there, and so a space after it for the end of the tags, and, later on, a
    comma or an equals sign after another `\\` for one between fields. Then it takes quotes in tags for the beginning
    of a string, or those of a string for none, and the newline for a part of the point.

    Args:
        head: The encoded measurement and tags.
    """
    return "\\\\ " in head and re.search(_MISREAD, head, re.DOTALL) is not None
