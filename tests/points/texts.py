"""Texts that names may hold: those that people write, and those that break things."""

from hypothesis import strategies as st

NAMES = [
    "nightly",
    "nightly report, all = yes",
    "a,b",
    "a b",
    "a=b",
    "=",
    ",",
    " ",
    " a ",
    "=a",
    "a==b",
    '"',
    'a"b',
    'a\\"b',
    "'",
    "#no comment",
    r"C:\jobs\nightly",
    r"a\b",
    r"a\\b",
    r"a\\\b",
    r"\a",
    r"\\a",
    r"a\,b",
    r"a\\,b",
    r"a\ b",
    r"a\\ b",
    r"a\=b",
    r"a\\=b",
    r"a\\\=b",
    "a\\nb",
    r"\,\ \=",
    "a\\",
    "a\\\\",
    "\\",
    "\\\\\\",
    "a\nb",
    "a\r\nb",
    "\n",
    "a\0b",
    "\0",
    "a\tb",
    "\ta",
    "a\\\nb",
    "a\n\\",
    "Büro",
    "näch­tlich",
    "報告",
    "🚀",
    "👩‍🚀 launch",
    "a\u2028b\u2029c\x85d",
    "\ufeffa",
    "\x01\x1f\x7f",
    "a\x0bb\x0cc",
    "\ud800",
    "a\udcffb",
    "\ud83d\ude80",
    "#!~#",
    "a#!~#b",
    "x" * 1024,
    "x" * 1025,
    "x" * 100_000,
    "é" * 513,
    "🚀" * 257,
    "x" * 1023 + "é",
    "x" * 1023 + "\n",
    " ," * 600,
    # InfluxDB loses the end of the line in these, unless something is done: quotes open, or are not seen, ...
    '\\ \\="',
    "\\ \\,",
    'my\\ disk\\=full,"yes"',
    # ... but not in these.
    '\\ ="',
    '\\="\\ ',
    '\\\\ \\\\="',
]

BROKEN = st.text(st.sampled_from('\\\\\\,, ==""\'\n\r\t\0#a0é🚀\u2028\ud800\udc00'), max_size=16)
TEXTS = st.one_of(st.sampled_from(NAMES), BROKEN, st.text(st.characters(exclude_categories=())))
"""Any text at all, with those more often that have a meaning in line protocol."""


def influxdb_lines(data: bytes) -> list[bytes]:
    """Splits data where InfluxDB 2.7 does (`scanLine` in its `models/points.go`), less exactly than it reads tags."""
    lines = [bytearray()]
    fields = quoted = escaped = False
    equals = commas = 0
    for byte in data:
        character = chr(byte)
        if character == "\n" and not quoted and not escaped:
            lines.append(bytearray())
            fields, equals, commas = False, 0, 0
            continue
        lines[-1].append(byte)
        if escaped or character == "\\":
            escaped = not escaped
        elif character == " ":
            fields = True
        elif fields and not quoted and character == "=":
            equals += 1
        elif fields and not quoted and character == ",":
            commas += 1
        elif character == '"' and equals > commas:
            quoted = not quoted
    return [bytes(line) for line in lines]
