"""What goes wrong with jobs of real cron and real APScheduler is found, and told to a webhook and by mail."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Final

import pytest

from tests.insight.notify.receivers import MailServer, Webhook
from tests.support.exec_ import COMMAND
from tests.support.processes import APPS
from tests.support.two_users import ONLY_ROOT
from tests.support.uncovered import uncovered

pytestmark = [pytest.mark.acceptance, pytest.mark.long, ONLY_ROOT]
APART: Final = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
"""Its processes see files of their own in place of the machine's crontabs, and end with it."""
SCRIPT: Final = """
set -e
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mount -t tmpfs -o mode=1730 tmpfs /var/spool/cron/crontabs
mount --bind "$1/crontab" /etc/crontab
mount --bind "$1/cron.d" /etc/cron.d
cron -f &
"$3" "$2" slow &
OTEL_JOB_MEASURE_SHIP=off OTEL_JOB_MEASURE_HISTORY=off "$3" "$2" silent &
shift 3
"$@" &
wait
"""
CRONTAB: Final = """
MAILTO=""
OTEL_JOB_MEASURE_STATE_DIR={state_dir}
* * * * * root {exec} good -- true
* * * * * root {exec} killed -- sh -c 'kill -KILL $PPID; sleep 600'
* * * * * root {exec} --max-runtime 2s stuck -- sleep 600
* * * * * root test -e /nowhere && {exec} --grace 1s absent -- true
"""
FOUND: Final = {
    ("killed", "failing"),
    ("stuck", "overrun"),
    ("slow", "slower"),
    ("silent", "silent"),
    ("absent", "never ran"),
}


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """A receiver of JSON."""
    receiver = Webhook()
    yield receiver
    receiver.close()


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    """A receiver of mails."""
    receiver = MailServer()
    yield receiver
    receiver.close()


@contextmanager
def _machine(folder: Path, state_dir: Path, *check: str) -> "Generator[subprocess.Popen[bytes]]":
    """Runs cron, two apps and a checker, apart from the machine's own crontabs."""
    if subprocess.run([*APART, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine allows no namespaces")
    (folder / "cron.d").mkdir()
    (folder / "crontab").touch()
    table = folder / "cron.d" / "jobs"
    table.write_text(CRONTAB.format(state_dir=state_dir, exec=shlex.join([*COMMAND, "exec"])))
    table.chmod(0o644)
    words = [*APART, "sh", "-c", SCRIPT, "sh", str(folder), str(APPS / "troubled.py"), sys.executable, *check]
    environment = uncovered() | {"OTEL_JOB_MEASURE_HEARTBEAT": "1s"}
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(words, env=environment, stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.mark.timeout(600)
def test_all_that_goes_wrong_is_told_once_and_nothing_else(
    tmp_path: Path, state_dir: Path, webhook: Webhook, mail_server: MailServer
) -> None:
    """A killed, a stuck, a slow, a silent and an absent job are told; a good one beside them is not."""
    mail = f"smtp://127.0.0.1:{mail_server.port}/?to=ops@example.com&from=jobs@example.com"
    check = (*COMMAND, "check", "--every", "1s", "--env-file", os.devnull)
    told: list[tuple[str, str]] = []
    with _machine(tmp_path, state_dir, *check, "--notify", webhook.url, "--notify", mail) as process:
        while set(told) != FOUND or len(mail_server.mails) < len(webhook.posts):
            assert process.poll() is None, (tmp_path / "output").read_text()
            Event().wait(0.2)
            notices = [notice for post in webhook.posts for notice in json.loads(post.body)["notices"]]
            assert {(notice["job"], notice["finding"]) for notice in notices} <= FOUND, notices
            told = [(notice["job"], notice["finding"]) for notice in notices if notice["kind"] == "opened"]
    assert len(told) == len(FOUND)
    texts = [str(mail["subject"]) for mail in mail_server.mails]
    assert all(any(job in text for text in texts) for job, _ in FOUND)
