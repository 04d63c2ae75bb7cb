"""`doctor --drill`: a missed, a stuck, a silent and a failed run, told to real receivers, and nothing of it left."""

import json
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from otel_job_measure import JobMeasure, names
from otel_job_measure.cli import main
from otel_job_measure.insight.doctor.rehearsal import folder_of
from otel_job_measure.journal.file_lock import lock
from tests.insight.notify.conftest import mail_server, webhook
from tests.insight.notify.receivers import MailServer, Webhook
from tests.support.exec_ import COMMAND

__all__ = ["mail_server", "webhook"]

pytestmark = pytest.mark.timeout(600)  # each act may take a minute on a busy machine


FINDINGS = {"missed", "overrun", "silent", "failing"}


def drill(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[dict[str, Any]]]:
    """Returns the exit code and the findings of a drill."""
    code = main(["doctor", "--drill", "--json", *words])
    return code, json.loads(capfd.readouterr().out)["findings"]


def notices(webhook: Webhook, path: str = "") -> Counter[tuple[str, str]]:
    """Returns how often a webhook was told what, at paths that begin like this: kinds and findings."""
    found = [
        notice for post in webhook.posts if post.path.startswith(path) for notice in json.loads(post.body)["notices"]
    ]
    assert all(notice["job"].startswith(names.DRILL) for notice in found)
    return Counter((notice["kind"], notice["finding"]) for notice in found)


def is_each_once(found: Counter[tuple[str, str]]) -> bool:
    """Tells whether each finding was told once, and its end; on a slow machine, one more due time can be missed."""
    missed = max(1, found["opened", "missed"])
    kinds = ("opened", "cleared")
    return found == {(kind, each): missed if each == "missed" else 1 for kind in kinds for each in FINDINGS}


def left(folder: Path) -> list[str]:
    """Returns the names of all that is in a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) if folder.exists() else []


def test_each_notification_arrives(
    state_dir: Path, webhook: Webhook, mail_server: MailServer, capfd: pytest.CaptureFixture[str]
) -> None:
    """A webhook and a mail server take all three and their ends; the state directory is as it was."""
    measure = JobMeasure(state_dir=state_dir)
    with measure.run("real"):
        pass
    measure.close(5)
    before = left(state_dir)
    mail = f"smtp://127.0.0.1:{mail_server.port}/?to=ops@example.com&from=jobs@example.com"
    code, found = drill(capfd, "--notify", f"{webhook.url}/S3CRET", "--notify", mail)
    assert (code, {each["level"] for each in found}) == (0, {0}), found
    assert is_each_once(notices(webhook, "/S3CRET"))
    assert len(mail_server.mails) == len(webhook.posts) == notices(webhook, "/S3CRET").total()
    told = [each["facts"] for each in found if each["check"] == "drill.told"]
    assert [each["run"] for each in told] == [
        title for title in ("missed", "stuck", "silent", "failed") for _ in range(2)
    ]
    assert all(each["took_s"] <= 60 for each in told)
    assert "S3CRET" not in json.dumps(found)
    assert left(state_dir) == before
    assert main(["runs", "--json"]) == 0
    assert [json.loads(line)["job"] for line in capfd.readouterr().out.splitlines()] == ["real"]


def test_a_target_that_refuses_is_a_problem(
    state_dir: Path, webhook: Webhook, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is told for each run, without a wait for another try."""
    webhook.status = 404
    code, found = drill(capfd, "--notify", webhook.url)
    refused = [each for each in found if each["check"] == "drill.told"]
    assert (code, [each["level"] for each in refused]) == (2, [2, 2, 2, 2])
    assert all("answered 404" in each["text"] for each in refused)
    assert left(state_dir) == []


def test_a_server_that_is_down_is_a_problem_and_the_rest_is_tried(
    state_dir: Path, webhook: Webhook, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The drill says so and goes through a history, so that the targets are tried all the same."""
    variables = {"URL": "http://127.0.0.1:1", "TOKEN": "t", "ORG": "o", "BUCKET": "b"}
    for name, value in variables.items():
        monkeypatch.setenv(f"INFLUXDB_{name}", value)
    code, found = drill(capfd, "--notify", webhook.url)
    assert (code, found[0]["check"], found[0]["level"]) == (2, "drill.way", 2)
    assert [each["level"] for each in found[1:]] == [0] * (len(found) - 1)


def test_the_targets_of_the_jobs_file_are_told_too(
    state_dir: Path,
    tmp_path: Path,
    webhook: Webhook,
    mail_server: MailServer,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Each of them once, whatever jobs it is for; one that cannot be used is a problem, and costs no other."""
    (tmp_path / "key").write_text("s3cret\n")
    jobs = tmp_path / "jobs.toml"
    jobs.write_text(
        f"""
        [[notify]]
        url = "{webhook.url}/project"
        project = "billing"
        secret_file = "{tmp_path}/key"
        [[notify]]
        url = "smtp://127.0.0.1:{mail_server.port}/?to=ops@example.com&from=jobs@example.com"
        jobs = ["nightly"]
        [[notify]]
        url = "{webhook.url}/both"
        [[notify]]
        url = "@{tmp_path}/none"
        [[notify]]
        urll = "https://hooks.example.com"
        """
    )
    monkeypatch.setenv("OTEL_JOB_MEASURE_JOBS", str(jobs))
    code, found = drill(capfd, "--notify", f"{webhook.url}/both")
    assert (code, [(each["check"], each["level"]) for each in found if each["level"]]) == (
        2,
        [("drill.target", 1), ("drill.target", 2)],
    )
    assert "line 14: 'urll': there is no such key; did you mean url?" in found[0]["text"]
    assert "none" in found[1]["text"]
    assert "line 11" in found[1]["text"]
    assert is_each_once(notices(webhook, "/project"))
    assert notices(webhook, "/project") == notices(webhook, "/both")
    assert len(mail_server.mails) == len(webhook.posts) / 2 == notices(webhook, "/project").total()
    assert all("webhook-signature" in post.headers for post in webhook.posts if post.path == "/project")
    assert left(state_dir) == []  # what the file expects is not noted


def test_a_jobs_file_that_is_none_is_said(
    state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With its path; no target is told then."""
    monkeypatch.setenv("OTEL_JOB_MEASURE_JOBS", str(tmp_path / "none.toml"))
    code, found = drill(capfd)
    assert code == 1
    assert [each["check"] for each in found if each["level"]] == ["drill.target", "drill.told"]
    assert "none.toml: it cannot be read" in found[0]["text"]
    assert left(state_dir) == []


def test_without_a_target_nobody_is_told(state_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """That is a warning; each run is still seen to be found."""
    code, found = drill(capfd)
    assert code == 1
    assert {"drill.missed", "drill.stuck", "drill.silent", "drill.failed"} <= {
        each["check"] for each in found if not each["level"]
    }
    assert left(state_dir) == []


def test_a_second_drill_is_refused(state_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """One at a time in a state directory; the first one is left alone."""
    with folder_of(state_dir) as folder:
        code, found = drill(capfd)
        assert folder.is_dir()
    assert (code, found[-1]["check"]) == (2, "drill.failed")
    assert "another drill" in found[-1]["text"]


def test_what_a_killed_drill_left_is_removed(state_dir: Path) -> None:
    """The next drill begins with an empty folder."""
    with folder_of(state_dir) as folder:
        (folder / "left").mkdir()
        held = lock(folder / "left" / "lock")
        assert held is not None
        held.release()
        with pytest.raises(OSError, match="another drill"), folder_of(state_dir):
            pass
    assert left(state_dir) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cleans_up_too(state_dir: Path, number: signal.Signals) -> None:
    """The command removes what it made, says so, and ends with 130."""
    words = [*COMMAND, "doctor", "--drill"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "good run" in line:
                assert left(state_dir)
                process.send_signal(number)
                break
        said = process.stdout.read()
    assert process.returncode == 130
    assert "was removed" in said
    assert "interrupted" in said
    assert left(state_dir) == []


def test_no_other_check_tells_of_a_drill(
    state_dir: Path, webhook: Webhook, capfd: pytest.CaptureFixture[str], run_of: Callable[[str], None]
) -> None:
    """A failed run of such a name is in no look but the drill's own."""
    run_of(f"{names.DRILL}-elsewhere")
    assert main(["check", "--json", "--notify", webhook.url]) == 0
    assert json.loads(capfd.readouterr().out)["jobs"] == []
    run_of("real")
    assert main(["check", "--notify", webhook.url]) == 2
    assert len(webhook.posts) == 1


@pytest.fixture
def run_of(state_dir: Path) -> Callable[[str], None]:
    """Returns what records a failed run of a job."""

    def record(job: str) -> None:
        measure = JobMeasure(state_dir=state_dir)
        with measure.run(job) as run:
            run.fail("on purpose")
        measure.close(5)

    return record
