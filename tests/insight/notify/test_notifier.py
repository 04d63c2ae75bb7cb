import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from otel_job_measure.errors import NotifyError
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.insight.notify import notifier
from otel_job_measure.insight.notify.memory import FILE, Memory
from otel_job_measure.insight.notify.message import Message
from otel_job_measure.insight.notify.notices import Trouble
from otel_job_measure.insight.notify.notifier import Look, Notifier
from otel_job_measure.insight.notify.target import Target
from otel_job_measure.testing import ManualClock
from tests.insight.notify.receivers import Webhook

NIGHTLY = JobId("nightly", "billing", "production")
MISSED = Trouble(job=NIGHTLY, finding="missed", level=2, since_ns=10, due_ns=10)
HOUR_S = 3600.0
YEAR_NS = 365 * 86_400 * 10**9


class Ops:
    """A target that keeps what it gets, or refuses it."""

    def __init__(self) -> None:
        self.got: list[Message] = []
        self.tries = 0
        self.fails = False
        self.target = Target("ops", "ops", self, ())

    def __call__(self, message: Message, *, timeout_s: float) -> None:
        self.tries += 1
        if self.fails:
            raise NotifyError("it is down")
        self.got.append(message)

    @property
    def subjects(self) -> list[str]:
        return [message.subject for message in self.got]


def _troubles(count: int) -> list[Trouble]:
    return [Trouble(job=JobId(f"job {n}"), finding="missed", level=2, since_ns=0) for n in range(count)]


class Checker:
    def __init__(self, folder: Path, *targets: Ops) -> None:
        self.clock = ManualClock()
        self.folder = folder
        self.targets = [each.target for each in targets]

    def tell(self, *troubles: Trouble) -> list[str]:
        """Looks once, as a new process would, and returns the problems."""
        checker = Notifier(Memory(self.folder), self.targets, lambda job: self.targets, clock=self.clock)
        return checker.tell(Look(troubles=troubles)).problems


def test_nothing_is_repeated_by_a_new_process(state_dir: Path) -> None:
    """The memory outlives the process: the finding is told once, and its end once."""
    ops = Ops()
    checker = Checker(state_dir, ops)
    for _ in range(3):
        assert checker.tell(MISSED) == []
    assert checker.tell() == checker.tell() == []
    whose = "nightly (billing, production) missed"
    assert ops.subjects == [f"[CRITICAL] {whose}", f"[OK] {whose}: over"]


def test_up_to_five_changes_are_messages_of_their_own(state_dir: Path) -> None:
    """More at once are one message, and their end is one too."""
    ops = Ops()
    checker = Checker(state_dir, ops)
    checker.tell(*_troubles(5))
    assert len(ops.got) == 5
    checker.tell(*_troubles(11))
    assert ops.subjects[5:] == ["[CRITICAL] 6 changes: 6 missed"]
    checker.tell()
    assert ops.subjects[6:] == ["[OK] 11 changes: 11 missed: over"]


def test_a_target_that_is_down_gets_it_later(state_dir: Path) -> None:
    """It is tried again, less and less often, under the same id; another target is not held up."""
    down, ops = Ops(), Ops()
    down.target.id = "down"
    down.fails = True
    checker = Checker(state_dir, down, ops)
    (problem,) = checker.tell(MISSED)
    assert problem == "ops was not told (it is down); it is tried again in 30 s"
    assert len(ops.got) == 1
    for _ in range(24 * 6):
        checker.clock.advance(600)
        checker.tell(MISSED)
    assert 20 <= down.tries <= 35
    down.fails = False
    checker.clock.advance(HOUR_S)
    checker.tell(MISSED)
    assert down.subjects[0] == "[CRITICAL] nightly (billing, production) missed"


def test_a_clock_that_was_ahead_holds_back_no_message(state_dir: Path) -> None:
    """What was to be tried again a year ahead is tried when the clock is right."""
    ops = Ops()
    checker = Checker(state_dir, ops)
    checker.clock.wall += YEAR_NS
    ops.fails = True
    checker.tell(MISSED)
    ops.fails = False
    checker.clock.wall -= YEAR_NS
    checker.tell(MISSED)
    assert "[CRITICAL] nightly (billing, production) missed" in ops.subjects


def test_one_message_that_is_refused_for_ever_holds_up_no_other(state_dir: Path) -> None:
    """The receiver dislikes one text; the next message arrives all the same."""
    ops = Ops()
    checker = Checker(state_dir, ops)
    ops.fails = True
    checker.tell(MISSED)
    ops.fails = False
    checker.tell(MISSED, *_troubles(1))
    assert ops.subjects == ["[CRITICAL] job 0 missed"]


def test_a_target_that_is_down_for_long_keeps_the_latest(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory is bounded, and what is dropped is said."""
    monkeypatch.setattr(notifier, "MOST_WAITING", 3)
    ops = Ops()
    ops.fails = True
    checker = Checker(state_dir, ops)
    problems = [checker.tell(*([MISSED] if number % 2 else [])) for number in range(1, 6)]
    told, _ = Memory(state_dir).read()
    whose = "nightly (billing, production) missed"
    kept = [f"[CRITICAL] {whose}", f"[OK] {whose}: over", f"[CRITICAL] {whose}"]
    assert [each.message.subject for each in told.waiting] == kept
    assert "1 messages are dropped: ops has not answered" in problems[3]


def test_a_target_that_is_no_longer_set_is_forgotten(state_dir: Path) -> None:
    """Its messages are dropped, and that is said once."""
    ops = Ops()
    ops.fails = True
    Checker(state_dir, ops).tell(MISSED)
    assert Checker(state_dir).tell(MISSED) == ["1 messages of a target that is no longer set are dropped"]
    assert Checker(state_dir).tell(MISSED) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 9}', b'{"version": 1, "episodes": [{}]}', b"\xff"])
def test_a_damaged_memory_is_set_aside(state_dir: Path, content: bytes) -> None:
    """What holds is told again rather than never; the file is kept."""
    ops = Ops()
    checker = Checker(state_dir, ops)
    checker.tell(MISSED)
    (state_dir / FILE).write_bytes(content)
    (problem,) = checker.tell(MISSED)
    assert "was damaged" in problem
    assert len(ops.got) == 2
    (aside,) = state_dir.glob(f"{FILE}.damaged-*")
    assert aside.read_bytes() == content


def test_only_one_checker_tells(state_dir: Path) -> None:
    """A second one at the same moment leaves it to the first."""
    ops = Ops()
    checker = Checker(state_dir, ops)
    with Memory(state_dir).held() as held:
        assert held
        other = Notifier(Memory(state_dir), checker.targets, lambda job: checker.targets)
        assert other.tell(Look(troubles=[MISSED])).elsewhere
    assert not ops.got


def test_without_a_memory_nothing_is_sent(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk the intent cannot be written: a message that may be repeated for ever does not go out."""
    ops = Ops()
    monkeypatch.setattr(os, "fsync", _no_space)
    with pytest.raises(NotifyError, match="No space left"):
        Checker(state_dir, ops).tell(MISSED)
    assert not ops.got


def _no_space(fd: int) -> None:
    raise OSError(28, "No space left on device")


# The process ends itself by SIGKILL at a step: before it writes the memory the Nth time, or after the receiver has it.
KILLED = """
import os, signal, sys
from pathlib import Path
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.insight.notify import memory, notifier, notices, target

folder, url, step = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
to = target.target_of(url)
writes = 0

class Killing(memory.Memory):
    def write(self, told):
        global writes
        if step == f"before write {writes}":
            os.kill(os.getpid(), signal.SIGKILL)
        super().write(told)
        if step == f"after write {writes}":
            os.kill(os.getpid(), signal.SIGKILL)
        writes += 1

troubles = [notices.Trouble(job=JobId("nightly"), finding="missed", level=2, since_ns=0)]
notifier.Notifier(Killing(folder), [to], lambda job: [to], timeout_s=60.0).tell(notifier.Look(troubles=troubles))
"""


@pytest.mark.parametrize(
    ("step", "posts"),
    [("before write 0", 1), ("after write 0", 1), ("before write 1", 2), ("after write 1", 1), ("never", 1)],
)
def test_a_kill_at_any_step_loses_nothing(state_dir: Path, webhook: Webhook, step: str, posts: int) -> None:
    """The next process sends what the killed one did not, and what it may have sent again under the same id."""
    for each in (step, "never"):
        command = [sys.executable, "-c", KILLED, str(state_dir), webhook.url, each]
        code = subprocess.run(command, check=False, timeout=100).returncode
        assert code == (-signal.SIGKILL if each != "never" else 0)
    assert len(webhook.posts) == posts
    assert len({post.headers["webhook-id"] for post in webhook.posts}) == 1
    assert {json.loads(post.body)["subject"] for post in webhook.posts} == {"[CRITICAL] nightly missed"}
