"""Names, messages, results, exceptions, attributes and clocks of every odd kind, through every door."""

from collections import Counter

from soak.fault import fault
from soak.found import in_files
from soak.ground import Ground
from soak.tally import Row

_EACH = 2000


@fault("odd input through every entry point (tried: in 2,000 runs)", brief=5, long=60)
def fuzzed(ground: Ground) -> Row:
    """Each job's result is its own, each run has its three points, each at a time of its own, each line can be read."""
    for _ in range(ground.times):
        variables = ground.nowhere(OTEL_JOB_MEASURE_HISTORY="off")
        app = ground.app("soak.apps.fuzzed", ground.rng.random(), _EACH, **variables)
        ground.expect(app.line() == f"> {_EACH}", f"not all were run: {app.stderr[-1000:]}")
        ground.expect(app.end() == 0, f"the process did not end well: {app.stderr[-1000:]}")
    points = {(point.measurement, point.series, point.time_ns): point for point in in_files(ground.state_dir)}
    kinds = Counter(point.kind for point in points.values())
    runs = _EACH * ground.times
    ground.expect(set(kinds.values()) == {runs}, f"of {runs} runs there are {dict(kinds)}")
    return Row(
        fault=ground.fault,
        tried=ground.times,
        runs=runs,
        expected=3 * runs,
        found=len(points),
        lost=max(0, 3 * runs - len(points)),
        broken=tuple(ground.books.broken[:10]),
    )
