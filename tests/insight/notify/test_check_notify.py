"""`check --notify` and `--ping`, told to real receivers on this machine."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from otel_job_measure import JobMeasure
from otel_job_measure.cli import main
from otel_job_measure.insight.checker_memory import Remembered, write
from otel_job_measure.insight.notify.memory import FILE
from tests.cli.test_check import _expect as expect
from tests.delivery.support import TinyServer
from tests.insight.notify.receivers import MailServer, Webhook
from tests.runtime.support import variables


def _check(folder: Path, *words: str) -> int:
    return main(["check", "--state-dir", str(folder), "--timeout", "60s", *words])


def _notices(webhook: Webhook) -> list[tuple[Any, ...]]:
    found = [notice for post in webhook.posts for notice in json.loads(post.body)["notices"]]
    return [(notice["kind"], notice["job"], notice["finding"]) for notice in found]


def test_a_job_that_never_ran_is_told_once_and_its_first_run_too(state_dir: Path, webhook: Webhook) -> None:
    """Three checks tell it once; the next check after its first run tells the end."""
    expect(state_dir, "ghost", ago_s=600)
    for _ in range(3):
        assert _check(state_dir, "--notify", webhook.url) == 2
    assert _notices(webhook) == [("opened", "ghost", "never ran")]
    measure = JobMeasure(project="billing", stage="production", state_dir=state_dir)
    with measure.run("ghost"):
        pass
    measure.close(5)
    _check(state_dir, "--notify", webhook.url)
    assert _notices(webhook)[1:] == [("cleared", "ghost", "never ran")]


def test_a_failure_says_what_failed_and_where_to_look(
    state_dir: Path, webhook: Webhook, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each target gets the error's class, the last success and the link."""
    monkeypatch.setenv("OTEL_JOB_MEASURE_LINK", "https://jobs.example.com/{job}?run={uuid}")
    measure = JobMeasure(project="billing", stage="production", state_dir=state_dir)
    with measure.run("bad"):
        pass
    with pytest.raises(KeyError), measure.run("bad") as run:
        raise KeyError("x")
    measure.close(5)
    mail = f"smtp://127.0.0.1:{mail_server.port}/?to=ops@example.com&from=jobs@example.com"
    assert _check(state_dir, "--notify", webhook.url, "--notify", mail) == 2
    (notice,) = json.loads(webhook.posts[0].body)["notices"]
    assert (notice["finding"], notice["error_type"], notice["level"]) == ("failing", "KeyError", 2)
    assert notice["last_success"] is not None
    assert notice["link"] == f"https://jobs.example.com/bad?run={run.uuid}"
    (told,) = mail_server.mails
    assert told["Subject"] == "[CRITICAL] bad (billing, production) failing"
    assert "Error: KeyError" in told.get_content()


def test_what_was_not_looked_at_does_not_end(state_dir: Path, webhook: Webhook) -> None:
    """A check of one job says nothing of another one."""
    expect(state_dir, "ghost", ago_s=600)
    _check(state_dir, "--notify", webhook.url)
    _check(state_dir, "--notify", webhook.url, "--job", "another")
    _check(state_dir, "--notify", webhook.url)
    assert _notices(webhook) == [("opened", "ghost", "never ran")]


def test_a_target_that_is_down_changes_no_exit_code(
    state_dir: Path, webhook: Webhook, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is said on stderr, without the webhook's secret path, and another target is told."""
    expect(state_dir, "ghost", ago_s=600)
    assert _check(state_dir, "--notify", "http://127.0.0.1:1/S3CRETPATH", "--notify", webhook.url) == 2
    said = capfd.readouterr()
    assert "http://127.0.0.1:1/*** was not told (no answer from 127.0.0.1:1" in said.err
    assert "S3CRETPATH" not in said.err + said.out
    assert len(webhook.posts) == 1


def test_another_monitor_is_pinged_after_a_full_check(
    state_dir: Path, webhook: Webhook, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever the check found; a receiver that refuses is told on stderr."""
    expect(state_dir, "ghost", ago_s=600)
    assert _check(state_dir, "--ping", f"{webhook.url}/ping") == 2
    assert [get.path for get in webhook.gets] == ["/ping"]
    webhook.status = 404
    assert _check(state_dir, "--ping", f"{webhook.url}/ping") == 2
    assert "answered 404" in capfd.readouterr().err


def test_a_url_can_come_from_a_file(state_dir: Path, tmp_path: Path, webhook: Webhook) -> None:
    """So no secret stands in the process list; bodies are signed with a secret from another file."""
    url, secret = tmp_path / "url", tmp_path / "secret"
    url.write_text(f"{webhook.url}\n")
    secret.write_text("0123456789\n")
    expect(state_dir, "ghost", ago_s=600)
    _check(state_dir, "--notify", f"@{url}", "--secret-file", str(secret))
    assert "webhook-signature" in webhook.posts[0].headers


@pytest.mark.parametrize("words", [["--notify", "nowhere"], ["--notify", "@/nowhere"], ["--ping", "@/nowhere"]])
def test_a_wrong_target_is_unknown(state_dir: Path, words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """The check says so in its first line, and tells no target."""
    expect(state_dir, "ghost", ago_s=600)
    code = _check(state_dir, *words)
    said = capfd.readouterr().out
    assert (code, "JOBS UNKNOWN" in said) == (3, True)
    assert "target" in said or "cannot be read" in said


def test_a_memory_that_cannot_be_used_is_said(
    state_dir: Path, webhook: Webhook, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing is told then, because it might be told for ever."""
    expect(state_dir, "ghost", ago_s=600)
    (state_dir / FILE).mkdir()
    assert _check(state_dir, "--notify", webhook.url) == 2
    assert FILE in capfd.readouterr().err
    assert not webhook.posts


def _jobs_file(path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(text)
    monkeypatch.setenv("OTEL_JOB_MEASURE_JOBS", str(path))


def test_the_targets_of_the_file_are_told_of_their_jobs(
    state_dir: Path, tmp_path: Path, webhook: Webhook, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A target that names a job takes it from the one of the options; its address and its key are in files."""
    (tmp_path / "url").write_text(f"{webhook.url}\n")
    (tmp_path / "key").write_text("a key\n")
    text = f'[[notify]]\nurl = "@{tmp_path}/url"\nsecret_file = "{tmp_path}/key"\njobs = ["gh*"]\n'
    _jobs_file(tmp_path / "jobs.toml", text, monkeypatch)
    for job in ("ghost", "other"):
        expect(state_dir, job, ago_s=600)
    mail = f"smtp://127.0.0.1:{mail_server.port}/?to=ops@example.com&from=jobs@example.com"
    _check(state_dir, "--notify", mail)
    assert _notices(webhook) == [("opened", "ghost", "never ran")]
    assert webhook.posts[0].headers["webhook-signature"].startswith("v1,")
    assert [told["Subject"] for told in mail_server.mails] == ["[CRITICAL] other (billing, production) never ran"]


def test_only_a_check_that_is_asked_to_tells(
    state_dir: Path, tmp_path: Path, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Someone who looks sends no mail; without an address, `--notify` means the targets of the file."""
    _jobs_file(tmp_path / "jobs.toml", f'[[notify]]\nurl = "{webhook.url}"\n', monkeypatch)
    expect(state_dir, "ghost", ago_s=600)
    _check(state_dir)
    assert webhook.posts == []
    _check(state_dir, "--notify")
    assert _notices(webhook) == [("opened", "ghost", "never ran")]


def test_a_target_of_the_file_that_cannot_be_used_is_said_with_its_line(
    state_dir: Path,
    tmp_path: Path,
    webhook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The jobs that it names are told to the next best one."""
    text = f'[[notify]]\nurl = "@/nowhere"\njobs = ["ghost"]\n[[notify]]\nurl = "{webhook.url}"\n'
    _jobs_file(tmp_path / "jobs.toml", text, monkeypatch)
    expect(state_dir, "ghost", ago_s=600)
    assert _check(state_dir, "--notify") == 2
    assert f"{tmp_path}/jobs.toml: line 1: 'notify': @ '/nowhere' cannot be read" in capfd.readouterr().err
    assert _notices(webhook) == [("opened", "ghost", "never ran")]


def test_a_file_that_cannot_be_read_loses_nothing(
    state_dir: Path,
    tmp_path: Path,
    webhook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Who would be told is not known then, so the next check tells."""
    path = tmp_path / "jobs.toml"
    _jobs_file(path, "[[notify", monkeypatch)
    expect(state_dir, "ghost", ago_s=600)
    assert _check(state_dir, "--notify", webhook.url) == 2
    assert "it is not TOML" in capfd.readouterr().err
    assert webhook.posts == []
    path.write_text(f'[[notify]]\nurl = "{webhook.url}"\n')
    _check(state_dir, "--notify")
    assert _notices(webhook) == [("opened", "ghost", "never ran")]


def test_nobody_to_tell_is_said(state_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Else a check that tells nobody looks like one that has nothing to tell."""
    expect(state_dir, "ghost", ago_s=600)
    assert _check(state_dir, "--notify") == 2
    assert "--notify has no URL, and jobs.toml has no [[notify]]" in capfd.readouterr().err


def test_a_server_that_hangs_for_an_hour_is_told_too(
    state_dir: Path, webhook: Webhook, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The check gives up by itself, and that counts as no answer."""
    server = TinyServer()
    server.asked = lambda exchange: exchange.hang()
    for name, value in variables(server.url).items():
        monkeypatch.setenv(name, value)
    write(state_dir, Remembered().after_failure(time.time_ns() - 3700 * 10**9))
    words = ("--from", "influxdb", "--notify", webhook.url, "--state-dir", str(state_dir), "--timeout", "1s")
    assert main(["check", *words]) == 3
    assert "no answer within 1 s" in capsys.readouterr().out
    assert _notices(webhook) == [("opened", None, "unknown")]
    server.close()


def test_a_server_that_is_away_for_an_hour_is_one_warning(
    state_dir: Path, webhook: Webhook, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each check says it; people are told once, after an hour, and of all else nothing ends meanwhile."""
    expect(state_dir, "ghost", ago_s=600)
    assert _check(state_dir, "--notify", webhook.url) == 2
    for name in ("URL", "TOKEN", "ORG", "BUCKET"):
        monkeypatch.setenv(f"INFLUXDB_{name}", "http://127.0.0.1:9")
    away = ("--from", "influxdb", "--notify", webhook.url)
    assert _check(state_dir, *away) == 3
    assert len(_notices(webhook)) == 1
    hour_ago = Remembered().after_failure(time.time_ns() - 3700 * 10**9)
    write(state_dir, hour_ago)
    assert {_check(state_dir, *away) for _ in range(3)} == {3}
    assert _notices(webhook)[1:] == [("opened", None, "unknown")]
    assert "127.0.0.1:9" in capsys.readouterr().out.splitlines()[-1]
    assert _check(state_dir, "--from", "history", "--notify", webhook.url) == 2
    assert _notices(webhook)[2:] == [("cleared", None, "unknown")]
