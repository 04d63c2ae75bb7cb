"""How many examples each test tries, and the pieces of which segments are made."""

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "200"))
fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
ROW = b'scheduling-job,job=a\\ b status="start",uuid="abcdefghijkm" 1800000000000000000\n'
RUN = b'scheduling-job-run,job=a,status=end duration=1.5,success=1,uuid="abcdefghijkm" 1800000000000000000\n'
PIECES = (
    ROW,
    RUN,
    b"# alive 1",
    b"\n",
    b" ",
    b",",
    b"=",
    b'"',
    b"\\",
    b"1i",
    b"1u",
    b"-",
    b"e9",
    b"\xff",
    b"\0",
    b"\r",
)
LINES = st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=8)), max_size=30).map(b"".join)
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["format", "destinations", "d", "s"]), inner)
    ),
    max_leaves=8,
)
