"""Line protocol, both ways."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from influxdb_client.client.write.point import Point as ClientPoint

from otel_job_measure.errors import LineProtocolError
from otel_job_measure.points.line_protocol import RESERVED_TAGS, FieldValue, Point, encode, lines, parse
from otel_job_measure.points.text import clean_field, clean_tag, escape_tag
from tests.points.texts import BROKEN, TEXTS, influxdb_lines

KEYS = TEXTS.map(lambda key: clean_tag(key).replace("\\", "")).filter(lambda key: key and key not in RESERVED_TAGS)
TAG_VALUES = TEXTS.map(clean_tag).filter(bool)
NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES: st.SearchStrategy[FieldValue] = st.one_of(TEXTS.map(clean_field), NUMBERS, st.booleans())
TIMES = st.none() | st.integers(-(2**63) + 2, 2**63 - 2)
POINTS = st.builds(
    Point,
    measurement=KEYS.filter(lambda name: name[0] not in "#\t"),
    tags=st.dictionaries(KEYS, TAG_VALUES, max_size=4),
    fields=st.dictionaries(KEYS.filter(lambda name: name[0] != "\t"), VALUES, min_size=1, max_size=4),
    time_ns=TIMES,
)
# What the client writes in the same way: no tabs, floats with a fraction, integers of 63 bits, tags in a clear order.
_keys, _tag_values = (texts.filter(lambda text: "\t" not in text) for texts in (KEYS, TAG_VALUES))
_fractions = st.floats(-1e15, 1e15).filter(lambda number: not number.is_integer())
_values = st.one_of(TEXTS.map(clean_field), _fractions, st.integers(-(2**63), 2**63 - 1), st.booleans())
ALIKE = st.builds(
    Point,
    measurement=_keys.filter(lambda name: not name.startswith("#") and "=" not in name),
    tags=st.dictionaries(_keys, _tag_values, max_size=4).filter(
        lambda tags: sorted(tags) == sorted(tags, key=escape_tag)
    ),
    fields=st.dictionaries(_keys, _values, min_size=1, max_size=4),
    time_ns=TIMES,
)

CLIENT_POINT: Any = ClientPoint  # it has no types


def by_client(given_point: Point) -> str:
    """The line that influxdb-client writes."""
    client = CLIENT_POINT(given_point.measurement).time(given_point.time_ns)
    for key, value in given_point.tags.items():
        client.tag(key, value)
    for name, field in given_point.fields.items():
        client.field(name, field)
    return str(client.to_line_protocol())


SMALL = Point(measurement="m", tags={"a": "b"}, fields={"x": 1.0}, time_ns=5)
TAGLESS = SMALL._replace(tags={}, time_ns=None)


def types(values: dict[str, FieldValue]) -> dict[str, type]:
    """The types of fields, which `1 == 1.0 == True` would hide."""
    return {key: type(value) for key, value in values.items()}


@given(given_point=POINTS)
def test_what_is_encoded_is_parsed_to_the_same_and_encoded_again(given_point: Point) -> None:
    """Each is the other's inverse, down to the types, wherever `encode` doesn't refuse."""
    try:
        line = encode(given_point)
    except LineProtocolError:
        assert any(r"\ " in value for value in given_point.tags.values())
        return
    parsed = parse(line)
    assert parsed == given_point
    assert types(dict(parsed.fields)) == types(dict(given_point.fields))
    assert encode(parsed) == line
    assert influxdb_lines(line + b"\n" + line) == [line, line]
    assert lines(b"# a comment\n\n \t\n" + line + b"\n  #\n" + line + b"\n") == [line, line]


@given(given_point=ALIKE)
def test_a_line_is_that_of_influxdbs_own_client(given_point: Point) -> None:
    """Byte for byte, but for what the test below names."""
    try:
        line = encode(given_point)
    except LineProtocolError:
        assert any(r"\ " in value for value in given_point.tags.values())
        return
    assert line.decode() == by_client(given_point)


@pytest.mark.parametrize(
    ("ours", "clients"),
    [
        (SMALL._replace(tags={"a": "b\tc"}), r"m,a=b\tc x=1 5"),
        (SMALL, "m,a=b x=1 5"),
        (SMALL._replace(fields={"x": 2**63}), "m,a=b x=9223372036854775808i 5"),
        (SMALL._replace(tags={"=": "b", ">": "c"}), r"m,\==b,>=c x=1 5"),
    ],
)
def test_departures_from_influxdbs_own_client(ours: Point, clients: str) -> None:
    """Where the client's line says something else, or less.

    A tab stays a tab, a float is seen to be one, an integer over 63 bits is unsigned (InfluxDB refuses it else), tags
    stand in the order of their escaped names, as InfluxDB wants them.
    """
    assert by_client(ours) == clients
    assert encode(ours).decode() != clients
    assert parse(encode(ours)) == ours


@pytest.mark.parametrize(
    "wrong",
    [
        SMALL._replace(measurement=""),
        SMALL._replace(measurement="#m"),
        SMALL._replace(measurement="\tm"),
        SMALL._replace(measurement="\0m"),
        SMALL._replace(measurement="m\\"),
        SMALL._replace(measurement="m\n"),
        SMALL._replace(tags={"": "b"}),
        SMALL._replace(tags={"a": ""}),
        SMALL._replace(tags={"a": "b\\"}),
        SMALL._replace(tags={"a\\": "b"}),
        SMALL._replace(tags={"a": "b\nc"}),
        SMALL._replace(tags={"a": "\ud800"}),
        SMALL._replace(tags={"time": "b"}),
        SMALL._replace(tags={"_field": "b"}),
        SMALL._replace(tags={"_measurement": "b"}),
        SMALL._replace(tags={"a\\ ": "b"}),
        SMALL._replace(tags={"a": "\\ ", "b": '\\="'}),
        SMALL._replace(fields={}),
        SMALL._replace(fields={"": 1.0}),
        SMALL._replace(fields={"x\\": 1.0}),
        SMALL._replace(fields={"\tx": 1.0}),
        SMALL._replace(fields={"x": "a\nb"}),
        SMALL._replace(fields={"x": "\ud800"}),
        SMALL._replace(fields={"x": math.nan}),
        SMALL._replace(fields={"x": -math.inf}),
        SMALL._replace(fields={"x": 2**64}),
        SMALL._replace(fields={"x": -(2**63) - 1}),
        SMALL._replace(time_ns=2**63 - 1),
        SMALL._replace(time_ns=-(2**63) + 1),
    ],
)
def test_a_point_that_influxdb_cannot_hold_is_refused(wrong: Point) -> None:
    """`encode` changes nothing; a caller cleans the texts first."""
    with pytest.raises(LineProtocolError):
        encode(wrong)


VALID = {
    b"m x=1": TAGLESS,
    b"m x=1 \n": TAGLESS,
    b" \t\0m,a=b \t\0x=1 \t\0005  ": SMALL,
    b"m x=1.5e-3 -7": SMALL._replace(tags={}, fields={"x": 0.0015}, time_ns=-7),
    b"m x=1.,y=.5,z=-1E+2,w=0": SMALL._replace(
        tags={}, fields={"x": 1.0, "y": 0.5, "z": -100.0, "w": 0.0}, time_ns=None
    ),
    b"m x=1i,y=-2i,z=3u": TAGLESS._replace(fields={"x": 1, "y": -2, "z": 3}),
    b"m x=18446744073709551615u": TAGLESS._replace(fields={"x": 2**64 - 1}),
    b"m a=t,b=T,c=true,d=True,e=TRUE": TAGLESS._replace(fields=dict.fromkeys("abcde", True)),
    b"m a=f,b=F,c=false,d=False,e=FALSE": TAGLESS._replace(fields=dict.fromkeys("abcde", False)),
    b'm x="",y="a,b =c"': TAGLESS._replace(fields={"x": "", "y": "a,b =c"}),
    rb'm x="\"\\\n\,\ "': TAGLESS._replace(fields={"x": r'"\\n\,\ '}),
    b'm x="a\nb" 5': SMALL._replace(tags={}, fields={"x": "a\nb"}),
    rb"m\ 1\,2\=3 x=1": SMALL._replace(measurement="m 1,2=3", tags={}, time_ns=None),
    rb"m,a\ b\,c\=d=\ \,\=\\\x x=1": SMALL._replace(tags={"a b,c=d": r" ,=\\\x"}, time_ns=None),
    rb"m,a=\\\,,b=\\\\c x=1": SMALL._replace(tags={"a": r"\\,", "b": r"\\\\c"}, time_ns=None),
    b"m,b==c,a=d x=1": SMALL._replace(tags={"b": "=c", "a": "d"}, time_ns=None),
    rb"m a\ b\,c\=d\"=1": TAGLESS._replace(fields={'a b,c=d"': 1.0}),
    b'm "a=1': TAGLESS._replace(fields={'"a': 1.0}),
    b"m x=1,x=2": TAGLESS._replace(fields={"x": 2.0}),
    'm,a=é🚀 x="é" 5'.encode(): SMALL._replace(tags={"a": "é🚀"}, fields={"x": "é"}),
}
INVALID = [
    b"",
    b"# a comment",
    b"  #m x=1",
    b",a=b x=1",
    b"m",
    b"m ",
    b"m  5",
    b"m 5",
    b"m,a=b",
    b"m,a=b ",
    b"m, x=1",
    b"m,a x=1",
    b"m,a= x=1",
    b"m,=b x=1",
    b"m,a=b=c x=1",
    b"m,a=b, x=1",
    b"m,,a=b x=1",
    b"m,a=b,a=c x=1",
    b"m,time=b x=1",
    b"m,_field=b x=1",
    b"m,_measurement=b x=1",
    b"m,\0=b x=1",
    b"m,a=b\\ x=1",
    b"m =1",
    b"m x",
    b"m x=",
    b"m x= 5",
    b"m x=,y=1",
    b"m x=1,",
    b"m x=1,,y=2",
    b"m x=1,y",
    b"m x=a",
    b"m x=tRUE",
    b"m x=truee",
    b"m x=1.2.3",
    b"m x=-",
    b"m x=.",
    b"m x=--1",
    b"m x=+1",
    b"m x=0x1",
    b"m x=1_0",
    b"m x=NaN",
    b"m x=Inf",
    b"m x=1e400",
    b"m x=1e",
    b"m x=1.5i",
    b"m x=-1u",
    b"m x=9223372036854775808i",
    b"m x=18446744073709551616u",
    b"m x=i",
    b"m x=\xd9\xa1",
    b'm x="a',
    b'm x="a\\"',
    b'm x=a"b"',
    b"m x=1 1.5",
    b"m x=1 a",
    b"m x=1 -",
    b"m x=1 5 6",
    b"m x=1 9223372036854775807",
    b"m x=1 99999999999999999999",
    b"m x=1 5\t",
    b"m x=1 5\r",
]
# InfluxDB itself reads the last one in two ways.
NOT_OURS = [b'm x="\xff"', b"m,a=\xc3 x=1", b"m,a=b\nc x=1", b"m a\\\\=1"]


@pytest.mark.parametrize("line", VALID)
def test_valid_lines_are_read(line: bytes) -> None:
    """Everything that line protocol allows, also unusual forms."""
    parsed = parse(line)
    assert parsed == VALID[line]
    assert types(dict(parsed.fields)) == types(dict(VALID[line].fields))


@pytest.mark.parametrize("line", [*INVALID, *NOT_OURS])
def test_what_is_no_point_is_an_error(line: bytes) -> None:
    """One kind of error for everything that InfluxDB would refuse, or pass over."""
    with pytest.raises(LineProtocolError):
        parse(line)


@given(data=st.binary() | BROKEN.map(lambda text: f"m,a={text} x=1".encode(errors="surrogatepass")))
def test_any_bytes_are_a_point_or_an_error(data: bytes) -> None:
    """A torn or foreign line never raises anything else; a point that was read can be read again."""
    try:
        found = parse(data)
    except LineProtocolError:
        return
    assert found.fields
    assert all(found.tags.values())


def test_reading_takes_time_in_proportion() -> None:
    """No line is read for ever: these would take hours, if the patterns tried every way."""
    for line in (
        b"m " + b"a" * 50_000,
        b'm x="' + b"\\a" * 50_000,
        b"m," + b"\\" * 50_000 + b" ",
        b"m " + b"\\a" * 50_000,
    ):
        with pytest.raises(LineProtocolError):
            parse(line)


def test_what_was_parsed_belongs_to_the_caller() -> None:
    """Keys of series are remembered; changing a point's tags must not change the next point."""
    first = parse(b"m,a=b x=1")
    assert isinstance(first.tags, dict)
    first.tags["a"] = "changed"
    assert parse(b"m,a=b x=1").tags == {"a": "b"}
