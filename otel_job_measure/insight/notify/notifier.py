"""Brings what changed to each target, once, over restarts, kills and targets that are down.

Before anything is sent, the memory has the message (the intent). After a target took it, the memory forgets it (the
receipt). A process that is killed in between sends it again under the same id.
"""

import secrets
from collections.abc import Callable, Collection, Container, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.errors import NotifyError, PartlyTakenError
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.insight.notify.memory import Memory, Told, Waiting
from otel_job_measure.insight.notify.message import MOST_ALONE, message_of
from otel_job_measure.insight.notify.notices import Notice, Trouble, changed
from otel_job_measure.insight.notify.target import Target

MOST_WAITING: Final = 1000
"""Of one target; of more, the oldest ones are dropped."""
_MOST_DETAILED: Final = 50
_FIRST_WAIT_S: Final = 30.0
_LONGEST_WAIT_S: Final = 3600.0

Route = Callable[[JobId], Iterable[Target]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look found.

    Args:
        troubles: What holds.
        undecided: Jobs of which nothing can be known now.
        suppressed: The keys of findings that a finding about their host stands for.
        refuted: Due times of misses that late data refuted.
    """

    troubles: Sequence[Trouble] = ()
    undecided: Container[JobId] = ()
    suppressed: Container[tuple[str, ...]] = ()
    refuted: Container[tuple[JobId, int]] = ()


@dataclass(slots=True, kw_only=True)
class Telling:
    """What came of it.

    Args:
        sent: How many messages were taken.
        waiting: How many are still to be sent.
        problems: What went wrong, each in a sentence.
        elsewhere: Whether another process is telling at this moment.
    """

    sent: int = 0
    waiting: int = 0
    problems: list[str]
    elsewhere: bool = False


class Notifier:
    """Tells the targets of each job what changed.

    Args:
        memory: What was told already.
        targets: All targets.
        route: Returns the targets of a job.
        detailed: Adds what people want to know of a finding; asked only of what is told.
        link: A URL for people in each message (`OTEL_JOB_MEASURE_LINK`).
        timeout_s: How long a target may take, in seconds.
        stopped: Whether the process is to end; then what is left is sent the next time.
    """

    def __init__(  # noqa: PLR0913 - the parts of one machine
        self,
        memory: Memory,
        targets: Collection[Target],
        route: Route,
        *,
        detailed: Callable[[Trouble], Trouble] = lambda trouble: trouble,
        link: str = "",
        timeout_s: float = 10.0,
        stopped: Callable[[], bool] = lambda: False,
        clock: Clock | None = None,
    ) -> None:
        self._memory = memory
        self._targets = {target.id: target for target in targets}
        self._route = route
        self._detailed = detailed
        self._link = link
        self._timeout_s = timeout_s
        self._stopped = stopped
        self._clock = clock or SystemClock()

    def tell(self, look: Look) -> Telling:
        """Notes what changed since the last look, and sends all messages that are due.

        Raises:
            NotifyError: The memory cannot be written, so nothing was sent.
        """
        telling = Telling(problems=[])
        try:
            with self._memory.held() as held:
                if held:
                    self._tell(look, telling)
                else:
                    telling.elsewhere = True
        except OSError as error:
            raise NotifyError(f"the memory of what was told cannot be used: {error}") from error
        return telling

    def _tell(self, look: Look, telling: Telling) -> None:
        told, damage = self._memory.read()
        telling.problems += [damage] if damage else []
        now_ns = self._clock.wall_ns()
        episodes, notices = changed(
            told.episodes,
            look.troubles,
            undecided=look.undecided,
            suppressed=look.suppressed,
            refuted=look.refuted,
            now_ns=now_ns,
        )
        notices = [
            replace(notice, trouble=self._detailed(notice.trouble)) if index < _MOST_DETAILED else notice
            for index, notice in enumerate(notices)
        ]
        waiting = self._kept((*told.waiting, *self._messages(notices, now_ns)), telling)
        told = Told(episodes=episodes, waiting=waiting)
        self._memory.write(told)
        failures: dict[str, int] = {}
        for each in waiting:
            if self._stopped():
                break
            # After one failure the next message is tried: the target may refuse a single one for ever.
            # A time that is further ahead was written by a clock that was wrong.
            must_wait = now_ns < each.next_ns <= now_ns + _LONGEST_WAIT_S * 1e9
            if must_wait or failures.get(each.target, 0) > 1:
                continue
            left = self._send(each, now_ns, telling)
            if left is not None:
                failures[each.target] = failures.get(each.target, 0) + 1
            others = tuple(other if other is not each else left for other in told.waiting)
            told = replace(told, waiting=tuple(other for other in others if other is not None))
            self._memory.write(told)
        telling.waiting = len(told.waiting)

    def _messages(self, notices: Sequence[Notice], now_ns: int) -> Iterable[Waiting]:
        """Yields the messages of each target: one a notice, or a single one if there are many."""
        routed: dict[str, list[Notice]] = {}
        for notice in notices:
            for target in self._route(notice.trouble.job):
                routed.setdefault(target.id, []).append(notice)
        for target_id, its in routed.items():
            for group in [its] if len(its) > MOST_ALONE else [[notice] for notice in its]:
                message = message_of(f"msg_{secrets.token_hex(12)}", group, now_ns=now_ns, link=self._link)
                yield Waiting(message=message, target=target_id)

    def _kept(self, waiting: Iterable[Waiting], telling: Telling) -> tuple[Waiting, ...]:
        """Leaves out messages of targets that are gone, and the oldest ones of a target that is down for long."""
        by_target: dict[str, list[Waiting]] = {}
        for each in waiting:
            by_target.setdefault(each.target, []).append(each)
        for target, its in by_target.items():
            if target not in self._targets:
                telling.problems.append(f"{len(its)} messages of a target that is no longer set are dropped")
                its.clear()
            elif len(its) > MOST_WAITING:
                telling.problems.append(
                    f"{len(its) - MOST_WAITING} messages are dropped: {self._targets[target].shown} has not answered"
                )
                del its[:-MOST_WAITING]
        return tuple(each for its in by_target.values() for each in its)

    def _send(self, waiting: Waiting, now_ns: int, telling: Telling) -> Waiting | None:
        """Sends a message; returns what is left to send."""
        target = self._targets[waiting.target]
        try:
            target.send(waiting.message, timeout_s=self._timeout_s)
        except PartlyTakenError as error:  # some recipients have it: they would get it twice
            telling.problems.append(f"{target.shown} was told, but {error}")
        except NotifyError as error:
            attempts = waiting.attempts + 1
            wait_s = min(_FIRST_WAIT_S * 2.0 ** min(attempts - 1, 20), _LONGEST_WAIT_S)
            telling.problems.append(f"{target.shown} was not told ({error}); it is tried again in {wait_s:g} s")
            return replace(waiting, attempts=attempts, next_ns=now_ns + int(wait_s * 1e9))
        telling.sent += 1
        return None
