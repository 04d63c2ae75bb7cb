"""The real InfluxDB is killed and started again while many processes measure, and drained points are too old for it."""

import time

from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.settings import Settings
from soak.fault import fault
from soak.found import in_influx
from soak.ground import Ground
from soak.left import leave, start_lines
from soak.scenarios.bad_server import between, variables_of
from soak.secrecy import keeps_secret
from soak.tally import Row

_PROCESSES = 20
_HOUR_S = 3600


@fault("InfluxDB 1.13 killed and started again under 20 processes", brief=1, long=8, influx=True, generation="1.13.2")
@fault("InfluxDB 1.8 killed and started again under 20 processes", brief=1, long=4, influx=True, generation="1.8.10")
@fault("a stub of InfluxDB 3 Core killed under 20 processes", brief=1, long=8, influx=True, generation="3.10-core")
@fault("a stub of Serverless killed under 20 processes", brief=1, long=4, influx=True, generation="3-serverless")
@fault("a stub of Dedicated killed under 20 processes", brief=1, long=4, influx=True, generation="3-dedicated")
@fault("a stub of Clustered killed under 20 processes", brief=1, long=4, influx=True, generation="3-clustered")
@fault("InfluxDB killed and started again under 20 processes", brief=1, long=15, influx=True)
def server_killed(ground: Ground) -> Row:
    """By SIGKILL, at a random moment. InfluxDB keeps what it acknowledged; the rest is sent again."""
    bucket = ground.server.new_bucket()
    variables = ground.server.variables(bucket)
    herd = ground.app("soak.apps.herd", _PROCESSES, 0.02, **variables)
    assert herd.line(), herd.stderr
    for _ in range(ground.times):
        ground.moment(1.0)
        with ground.server.stopped(hard=True):
            ground.moment(1.0)
    ground.moment(0.5)
    assert herd.end() == 0, herd.stderr
    ground.ship(**variables)
    keeps_secret(ground, ground.server.token.rpartition(":")[2])
    return ground.row(in_influx(ground.server, bucket))


@fault("a backlog that is older than the bucket keeps points", brief=1, long=1, influx=True)
def too_old(ground: Ground) -> Row:
    """Each point is counted as expired or is there, in a few requests, not in one a point."""
    bucket = ground.server.new_bucket(retention_s=_HOUR_S)
    old, fresh = 20_000, 2_000
    with between(ground) as relay:
        variables = variables_of(ground, bucket, relay.url, OTEL_JOB_MEASURE_TIMEOUT="30")
        settings = Settings.from_env(variables, state_dir=ground.state_dir)
        state = StateDir(ground.state_dir)
        now_ns = time.time_ns()
        lines = [*start_lines(old, now_ns - 2 * _HOUR_S * 10**9), *start_lines(fresh, now_ns - 60 * 10**9)]
        ground.rng.shuffle(lines)  # a batch of the worst kind: good ones and old ones, all through each other
        leave(state, settings, [lines[begin : begin + 1000] for begin in range(0, len(lines), 1000)])
        command = ground.command("ship", "--once", "--env-file", "/dev/null", **variables)
        said = command.line()
        ground.expect(command.end() == 0, command.stderr)
        ground.expect(said == f"{fresh} points accepted, 0 rejected, {old} expired", said)
        ground.expect(relay.requests < 60, f"{relay.requests} requests were made for {old} points")
    kept = len(ground.server.lines(bucket))
    return Row(
        fault=ground.fault,
        tried=1,
        runs=old + fresh,
        expected=fresh,
        found=kept,
        lost=max(0, fresh - kept),
        broken=tuple(ground.books.broken),
    )
