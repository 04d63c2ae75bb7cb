"""`check --every` and `ship --check`: one look after another."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from otel_job_measure import JobMeasure
from otel_job_measure.cli import WrongUsage, main
from otel_job_measure.cli.check_loop import CheckLoop
from otel_job_measure.delivery.flush_waiters import Bell
from otel_job_measure.errors import StoreError
from otel_job_measure.insight.absence import Evidence
from otel_job_measure.insight.check import Checked
from otel_job_measure.settings import Settings
from tests.delivery.exchange import Exchange
from tests.delivery.support import TinyServer
from tests.runtime.support import delivered, run, variables
from tests.support.exec_ import COMMAND
from tests.support.uncovered import uncovered

NOTHING = Checked(
    evidence=Evidence(now_ns=0, complete_until_ns=0),
    kept_ns=0,
    judgements=(),
    abouts=(),
    expected={},
    last={},
    recent={},
)


class _Time(Bell):
    """A clock that waits move on."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 100.0

    def wait(self, timeout_s: float) -> bool:
        """Lets the time pass."""
        self.now_s += timeout_s
        return False


class _Looks:
    """A checker of which each look takes a time, or fails; it stops its loop at the last one."""

    def __init__(self, clock: _Time, *took: float | Exception) -> None:
        self.clock = clock
        self.took = list(took)
        self.began: list[float] = []
        self.told = 0
        self.loop: CheckLoop | None = None

    def look(self) -> Checked:
        """Takes the next time, or fails."""
        self.began.append(self.clock.now_s)
        took = self.took.pop(0)
        if not self.took and self.loop is not None:
            self.loop.stop()
        if isinstance(took, Exception):
            raise took
        self.clock.now_s += took
        return NOTHING

    def tell(self, found: Checked, *, stopped: Callable[[], bool]) -> None:
        """Counts."""
        del found, stopped
        self.told += 1


def _looked(*took: float | Exception) -> tuple[_Looks, list[str]]:
    clock = _Time()
    looks, said = _Looks(clock, *took), list[str]()
    looks.loop = CheckLoop(
        looks,
        60,
        show=lambda found, _: said.append(f"level {found.level()}"),
        complain=said.append,
        monotonic=lambda: clock.now_s,
        bell=clock,
    )
    looks.loop.run()
    return looks, said


def test_looks_begin_at_a_steady_pace() -> None:
    """How long one takes moves no other, and the same result is shown once."""
    looks, said = _looked(1, 20, 59, 0)
    assert looks.began == [100, 160, 220, 280]
    assert said == ["level 0"]


def test_a_look_that_takes_long_is_followed_by_the_next_at_its_time() -> None:
    """Looks never overlap, and those that could not be are not made up for."""
    looks, _ = _looked(130, 60, 1)
    assert looks.began == [100, 280, 340 + 60]


def test_a_look_that_fails_ends_nothing() -> None:
    """The same fault is said once; nothing is told then, and the next result is shown again."""
    looks, said = _looked(0, StoreError("away"), StoreError("away"), ZeroDivisionError("bug"), 0)
    assert said == ["level 0", "away", "ZeroDivisionError: bug", "level 0"]
    assert looks.told == 2


def _started(*words: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=uncovered() | environment
    )


class _Target:
    """A command that is told, and hands on each subject."""

    def __init__(self, folder: Path) -> None:
        self._pipe, command = folder / "told", folder / "target"
        os.mkfifo(self._pipe)
        command.write_text(f'#!/bin/sh\necho "$NOTIFY_SUBJECT" > {self._pipe}\n')
        command.chmod(0o700)
        self.url = f"exec:{command}"

    def next(self) -> str:
        """Waits until it is told something, and returns it."""
        return self._pipe.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(number: signal.Signals, state_dir: Path) -> None:
    """It shows what it finds, then only what changed; a signal is no failure."""
    measure = JobMeasure(state_dir=state_dir)
    with pytest.raises(KeyError), measure.run("bad"):
        raise KeyError
    measure.close(5)
    with _started("check", "--every", "1s", "--env-file", os.devnull, "--state-dir", str(state_dir)) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline(), process.stdout.readline()]
        process.send_signal(number)
        rest, complaints = process.communicate(timeout=60)
    assert (process.returncode, rest, complaints) == (0, "", "")
    assert "1 job: bad failing" in lines[0]
    assert lines[1].startswith("CRITICAL failing")


def test_each_look_takes_what_came_meanwhile(state_dir: Path, tmp_path: Path) -> None:
    """A later failure is shown and told by the same process, once; a target is not told again of what it knows."""
    target = _Target(tmp_path)
    words = ("check", "--every", "1s", "--env-file", os.devnull, "--state-dir", str(state_dir))
    measure = JobMeasure(state_dir=state_dir)
    with _started(*words, "--notify", target.url) as process:
        for job in ("first", "second"):
            with pytest.raises(KeyError), measure.run(job):
                raise KeyError
            assert target.next() == f"[CRITICAL] {job} failing\n"
        process.terminate()
        out, _ = process.communicate(timeout=60)
    measure.close(5)
    assert process.returncode == 0
    assert out.count("CRITICAL failing     second") == 1


def test_a_target_that_cannot_be_used_is_said_at_once(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake in the options ends the command: it would tell nobody."""
    assert main(["check", "--every", "1m", "--state-dir", str(state_dir), "--notify", "@/nowhere"]) == 3
    assert capsys.readouterr().out.startswith("JOBS UNKNOWN - @ '/nowhere' cannot")


@pytest.mark.parametrize("words", [["--every", "0s"], ["--every", "2d"], ["--every", "1m", "--timeout", "5s"]])
def test_wrong_times_are_refused(words: list[str]) -> None:
    """A loop has no time-out: its looks end by themselves."""
    with pytest.raises(WrongUsage) as raised:
        main(["check", *words])
    assert raised.value.code == 3


@pytest.mark.parametrize(
    "words", [["--check", "--once"], ["--check", "--backfill"], ["--every", "1m"], ["--ping", "x:"]]
)
def test_checking_beside_shipping_has_its_own_options(words: list[str]) -> None:
    """They mean nothing without `--check`, and that nothing with `--once`."""
    with pytest.raises(WrongUsage):
        main(["ship", *words])


def test_a_check_that_hangs_delays_no_point(state_dir: Path) -> None:
    """`ship --check` delivers while its checker waits for a server that answers no question, and ends all the same."""
    server, asked, written = TinyServer(), threading.Event(), threading.Event()

    def hang(exchange: Exchange) -> None:
        asked.set()
        exchange.hang()

    server.asked = hang
    server.during = written.set
    words = ("ship", "--check", "--from", "influxdb", "--env-file", os.devnull, "--state-dir", str(state_dir))
    with _started(*words, **variables(server.url)) as process:
        assert asked.wait(60)
        left = JobMeasure(Settings(state_dir=state_dir, ship=False))
        run(left, "job")
        left.close(5)
        assert written.wait(60)
        process.terminate()
        process.communicate(timeout=60)
    server.close()
    assert process.returncode == 0
    assert delivered(server) == ["job"]


def test_shipping_and_checking_are_one_process(state_dir: Path, tmp_path: Path) -> None:
    """What is found of the history is shown and told, and its rows are sent with the others."""
    server, sent = TinyServer(), threading.Event()
    target = _Target(tmp_path)

    def see() -> None:
        if any(b'state="failing"' in request.body for request in server.requests):
            sent.set()

    server.during = see
    words = ("ship", "--check", "--every", "1s", "--env-file", os.devnull, "--state-dir", str(state_dir))
    with _started(*words, "--notify", target.url, **variables(server.url)) as process:
        left = JobMeasure(Settings(state_dir=state_dir, ship=False))
        with pytest.raises(KeyError), left.run("bad"):
            raise KeyError
        left.close(5)
        assert target.next() == "[CRITICAL] bad failing\n"
        assert sent.wait(60)
        process.terminate()
        out, _ = process.communicate(timeout=60)
    server.close()
    assert process.returncode == 0
    assert "CRITICAL failing     bad" in out
