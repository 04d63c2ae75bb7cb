"""`otel-job-measure ship`: delivers the points of other processes."""

import argparse
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING

from otel_job_measure.cli import check, notify_options, options
from otel_job_measure.cli.backfill import backfill
from otel_job_measure.cli.healthz import HealthServer, State, address
from otel_job_measure.cli.options import since_ns
from otel_job_measure.clock import SystemClock
from otel_job_measure.delivery.checkpoints import FileCheckpoints
from otel_job_measure.delivery.consumer import EAGER, LAZY, Consumer
from otel_job_measure.delivery.delivery_loop import DeliveryLoop, RecoveryPass
from otel_job_measure.delivery.flush_waiters import Bell
from otel_job_measure.delivery.suppress_tracing import untraced
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.maintenance import Bound
from otel_job_measure.printable import brief
from otel_job_measure.rate_limited_log import LOG
from otel_job_measure.runtime.assembly import boot_id, history_sink, presence_of, server_sink
from otel_job_measure.runtime.crontabs import Crontabs
from otel_job_measure.runtime.history_reader import opened
from otel_job_measure.runtime.jobs_file import JobsFileReader
from otel_job_measure.runtime.offline_source import OfflineSource
from otel_job_measure.settings import Settings

if TYPE_CHECKING:
    from otel_job_measure.cli.check_loop import CheckLoop

_ALL = "all"
_MOST_LABEL = 400
_LOOK_S = 1.0
_TRIES = 20
_PAUSE_S = 0.05
_STUCK_S = 600.0
_DESCRIPTION = """Sends to InfluxDB, or to an OTLP receiver, the points of processes with OTEL_JOB_MEASURE_SHIP=off, and
those that ended processes could not send. It runs until SIGTERM or SIGINT; a second one ends it at once. With
--backfill it sends the runs of the local history instead, and exits: for runs from before a server was configured, or
for a new bucket. Points that the server has already overwrite themselves."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:  # pyright: ignore[reportPrivateUsage] - its only name
    """Adds the command to the command line."""
    parser = commands.add_parser("ship", help="send what other processes have written", description=_DESCRIPTION)
    options.add_state_dir(parser)
    parser.add_argument(
        "--once", action="store_true", help="send the points that are there now, print their number, and exit"
    )
    parser.add_argument(
        "--redirect",
        metavar="DESTINATION",
        nargs="?",
        const=_ALL,
        action="append",
        default=[],
        help="also send points for another destination, named by its id; without an id, for all others",
    )
    parser.add_argument("--backfill", action="store_true", help="send the runs of the local history, and exit")
    parser.add_argument(
        "--since", metavar="TIME", type=since_ns, help="with --backfill: only runs since then: 30d or an ISO time"
    )
    parser.add_argument(
        "--any-measurement",
        action="store_true",
        help="also send lines of other measurements than this package's, which another process has written",
    )
    parser.add_argument(
        "--healthz",
        metavar="[ADDRESS:]PORT",
        type=address,
        help="answer 200 or 503 over HTTP, on 127.0.0.1 if only a port is given: /livez tells whether this process"
        " works, /healthz also whether the server takes points",
    )
    parser.add_argument("--check", action="store_true", help="also tell what did not run, failed or hangs, as `check`")
    check.add_every(parser)
    options.add_from(parser)
    notify_options.add(parser)
    parser.set_defaults(run=run, parser=parser, job=None, project=None, stage=None)


def run(args: argparse.Namespace) -> int:
    """Delivers until a signal stops it, or once; returns 1 if something could not be sent."""
    if args.since is not None and not args.backfill:
        args.parser.error("--since is only valid with --backfill")
    if args.healthz is not None and (args.once or args.backfill):
        args.parser.error("--healthz is only valid without --once and --backfill")
    if args.check and (args.once or args.backfill):
        args.parser.error("--check is only valid without --once and --backfill")
    if not args.check and any((args.every, args.source, args.notify, args.secret_file, args.ping)):
        args.parser.error("--every, --from, --notify, --secret-file and --ping are only valid with --check")
    options.log_to_stderr()
    options.load_env_file(args.env_file)
    looking = _check_loop(args) if args.check else None
    arguments = {} if args.state_dir is None else {"state_dir": args.state_dir}
    settings = options.with_owners_rights(Settings.from_env(**arguments))
    if args.backfill:
        return backfill(settings, since_ns=args.since, redirected=None if _ALL in args.redirect else args.redirect)
    shipment = _Shipment(settings, args.redirect, only_ours=not args.any_measurement)
    return shipment.once() if args.once else shipment.until_stopped(args.healthz, looking)


def _check_loop(args: argparse.Namespace) -> "CheckLoop":
    """Returns what checks beside the delivery; its secrets are read before this process gives up rights."""
    from otel_job_measure.cli.check_loop import CheckLoop  # noqa: PLC0415 - only if asked for
    from otel_job_measure.cli.checker import Checker  # noqa: PLC0415 - the same

    return CheckLoop(Checker(args), args.every or check.EVERY_S, show=check.print_lines)


class _Shipment:
    """Delivers from a state directory; `redirected` has ids of other destinations, or `all`."""

    def __init__(self, settings: Settings, redirected: list[str], *, only_ours: bool) -> None:
        clock = self._clock = SystemClock()
        self._timeout_s = settings.shutdown_timeout_s
        state = opened(settings)
        self._counters = Counters()
        checkpoints = FileCheckpoints(state.positions, settings.destination_id)
        sink = server_sink(settings, self._counters, clock=clock)
        sink.only_ours = only_ours
        history = history_sink(settings, clock=clock, alone=True)
        self._server = Consumer(sink, EAGER, clock=clock, checkpoints=checkpoints)
        consumers = [self._server]
        if history is not None:
            consumers.append(Consumer(history, LAZY, clock=clock))
        there = state.ready_destinations()
        others = there if _ALL in redirected else set(redirected)
        for unknown in sorted(others - there):
            print(f"nothing waits for a destination {options.shown(unknown)}", file=sys.stderr)
        bound = Bound(
            max_bytes=settings.max_bytes,
            counters=self._counters,
            is_delivered=self._has_delivered,
            is_recorded=self._has_recorded,
        )
        self._source = OfflineSource(
            state, settings.destination_id, others, clock=clock, boot_id=boot_id(), bound=bound
        )
        self._written = (JobsFileReader(settings, clock), Crontabs(settings, clock))
        presence = presence_of(settings, sink, self._source, clock=clock)
        self._loop = DeliveryLoop(self._source, consumers, presence=presence, clock=clock)
        self._bell = Bell()
        self._stopped = False
        self._worked = (clock.monotonic_ns(), self._counters.now())

    def once(self) -> int:
        """Sends the waiting points once, and prints how many were accepted."""
        looked = self._look()
        tries = _TRIES
        while looked.elsewhere and tries:  # another process may need only milliseconds
            tries -= 1
            self._bell.wait(_PAUSE_S)
            looked = self._look()
        self._end()
        waits = self._server.failing or self._server.refuses
        counts = self._counters.now()
        print(f"{counts.delivered} points accepted, {counts.rejected} rejected, {counts.expired} expired")
        self._tell_of_others()
        if looked.elsewhere:
            print("another process is sending these points already", file=sys.stderr)
        elif waits:
            print(f"{looked.pending_bytes} bytes could not be sent and wait", file=sys.stderr)
        return 1 if waits else 0

    def until_stopped(self, healthz: tuple[str, int] | None, looking: "CheckLoop | None") -> int:
        """Sends new points until SIGTERM or SIGINT, answers probes at an address, and checks beside it."""
        try:
            probed = None if healthz is None else HealthServer(healthz, self._state)
        except OSError as error:
            print(f"--healthz: cannot listen there: {error.strerror or error}", file=sys.stderr)
            return 2
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._tell_of_others()
        if looking is not None:
            looking.start()
        while not self._stopped:
            self._look()
            self._bell.wait(_LOOK_S)
        if looking is not None:
            looking.stop()
        self._look()
        self._end()
        if looking is not None:
            looking.join()
        if probed is not None:
            probed.close()
        return 0

    def _state(self) -> State:
        """Returns what probes are told; called on their thread. A long backlog is no standstill."""
        now_ns, counts = self._clock.monotonic_ns(), self._counters.now()
        if counts != self._worked[1]:
            self._worked = (now_ns, counts)
        idle_s = (now_ns - self._worked[0]) / 1e9
        stuck = f"the delivery has not come back for {idle_s:.0f} s" if idle_s > _STUCK_S else ""
        waits = self._server.failing or self._server.refuses
        return State(stuck=stuck, failing="the server takes no points; the log has the reason" if waits else "")

    def _look(self) -> RecoveryPass:
        for problem in (problem for source in self._written for problem in source.look()):
            LOG.error("%s", problem)
        self._worked = (self._clock.monotonic_ns(), self._counters.now())
        looked = untraced(lambda: self._loop.recover(lambda: not self._stopped))
        untraced(self._loop.speak)
        return looked

    def _end(self) -> None:
        if not self._server.failing:
            deadline_ns = self._clock.monotonic_ns() + int(self._timeout_s * 1e9)
            untraced(lambda: self._loop.leave(deadline_ns))
        self._loop.close()

    def _has_delivered(self, segment: str) -> bool:
        return self._loop.has_delivered(segment)

    def _has_recorded(self, segment: str, size: int) -> bool:
        return self._loop.has_recorded(segment, size)

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        self._stopped = True
        signal.signal(number, signal.SIG_DFL)  # a second signal ends the process at once
        self._bell.ring()

    def _tell_of_others(self) -> None:
        for (destination, label), sizes in sorted(self._source.waiting_elsewhere().items()):
            print(
                f"{sum(sizes)} bytes (segments: {len(sizes)}) wait for {brief(label, _MOST_LABEL)}; if no process has "
                f"that destination any more, `--redirect {brief(destination)}` sends them to this one",
                file=sys.stderr,
            )
