import base64
import hashlib
import hmac
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Final

import pytest

from otel_job_measure.errors import MissingDependencyError, NotifyError
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.insight.notify import webhook as webhook_module
from otel_job_measure.insight.notify.message import Message, message_of
from otel_job_measure.insight.notify.notices import Notice, Trouble
from otel_job_measure.insight.notify.target import Target, target_of
from tests.insight.notify.receivers import MailServer, Webhook

HOSTILE = "night\r\nBcc: all@example.com <!channel> @everyone"
PATIENT_S = 60.0


def _message(job: str = HOSTILE) -> Message:
    trouble = Trouble(job=JobId(job), finding="missed", level=2, since_ns=0)
    return message_of("msg_7", [Notice(kind="opened", trouble=trouble)], now_ns=0)


def test_json_is_posted_and_signed_by_the_standard(webhook: Webhook) -> None:
    """A receiver checks the signature of Standard Webhooks with the secret's bytes."""
    key = b"0123456789abcdef01234567"
    secret = f"whsec_{base64.b64encode(key).decode()}"
    target_of(f"{webhook.url}/hook?x=1", secret=secret).send(_message(), timeout_s=PATIENT_S)
    (post,) = webhook.posts
    assert post.path == "/hook?x=1"
    assert json.loads(post.body) == _message().body
    signed = f"msg_7.{post.headers['webhook-timestamp']}.".encode() + post.body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert post.headers["webhook-signature"] == f"v1,{expected}"
    assert post.headers["webhook-id"] == "msg_7"


def test_without_a_secret_nothing_is_signed(webhook: Webhook) -> None:
    """A receiver that asks for no signature gets none."""
    target_of(webhook.url).send(_message(), timeout_s=PATIENT_S)
    assert "webhook-signature" not in webhook.posts[0].headers


@pytest.mark.parametrize("status", [301, 400, 404, 500])
def test_any_other_answer_is_a_failure_without_secrets(webhook: Webhook, status: int) -> None:
    """The error has the status and the server's words, and not the path, which is a webhook's password."""
    webhook.status, webhook.body = status, b"no such hook: /T0KEN/abcdefgh"
    with pytest.raises(NotifyError, match=f"answered {status}") as caught:
        target_of(f"{webhook.url}/T0KEN/abcdefgh").send(_message(), timeout_s=PATIENT_S)
    assert "abcdefgh" not in str(caught.value)


def test_a_target_that_hangs_holds_nothing_up(webhook: Webhook) -> None:
    """The wait ends in time, and while the first message is on its way no second one is sent."""
    webhook.silent.set()
    with pytest.raises(NotifyError, match=r"within 0\.2 s"):
        target_of(webhook.url).send(_message(), timeout_s=0.2)

    def hang(message: Message, *, timeout_s: float) -> None:
        webhook.went_on.wait()

    target = Target("id", "a target", hang, ())
    with pytest.raises(NotifyError, match=r"within 0\.2 s"):
        target.send(_message(), timeout_s=0.2)
    with pytest.raises(NotifyError, match="still on its way"):
        target.send(_message(), timeout_s=0.2)


def test_nobody_listens() -> None:
    """A refused connection names the host."""
    with pytest.raises(NotifyError, match=r"127\.0\.0\.1:1"):
        target_of("http://127.0.0.1:1/secret-path").send(_message(), timeout_s=PATIENT_S)


def test_a_mail_has_its_headers_and_no_others(mail_server: MailServer) -> None:
    """A job's name with a newline adds no header; the id is the message's, so that a repetition can be dropped."""
    url = f"smtp://127.0.0.1:{mail_server.port}/?to=ops@example.com,b@example.com&from=jobs@example.com"
    target_of(url).send(_message(), timeout_s=PATIENT_S)
    (mail,) = mail_server.mails
    assert mail_server.to == [["ops@example.com", "b@example.com"]]
    assert mail["Message-ID"] == "<msg_7@example.com>"
    assert mail["Subject"] == _message().subject
    assert mail["Bcc"] is None
    assert mail["From"] == "jobs@example.com"
    assert mail.get_content().splitlines() == _message().text.splitlines()


def test_a_mail_that_is_refused_is_not_sent(mail_server: MailServer) -> None:
    """The server's words are in the error."""
    mail_server.answer = "554 no, thanks"
    with pytest.raises(NotifyError, match="554 no, thanks"):
        target_of(f"smtp://127.0.0.1:{mail_server.port}/?to=a@example.com").send(_message(), timeout_s=PATIENT_S)


def test_a_command_gets_the_object_and_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is started without a shell; its environment has the message's id, and no token of ours."""
    monkeypatch.setenv("INFLUXDB_TOKEN", "secret")
    seen = tmp_path / "seen"
    program = tmp_path / "notify me"
    program.write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        "json.dump([json.load(sys.stdin), dict(os.environ), sys.argv[1:]], open(sys.argv[1], 'w'))\n"
    )
    program.chmod(0o755)
    target_of(f"exec:'{program}' {seen} '$(id)'").send(_message(), timeout_s=PATIENT_S)
    body, environment, words = json.loads(seen.read_text())
    assert body == _message().body
    assert words == [str(seen), "$(id)"]
    assert environment["NOTIFY_ID"] == "msg_7"
    assert "INFLUXDB_TOKEN" not in environment


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    """Its exit code and the last line of its stderr are in the error."""
    with pytest.raises(NotifyError, match="ended with 3: no route"):
        target_of("exec:sh -c 'echo no route >&2; exit 3'").send(_message(), timeout_s=PATIENT_S)
    with pytest.raises(NotifyError, match="cannot be started: No such file"):
        target_of(f"exec:{tmp_path}/missing").send(_message(), timeout_s=PATIENT_S)


def test_a_command_that_hangs_is_killed() -> None:
    """It does not outlive its time."""
    with pytest.raises(NotifyError, match=r"within 0\.2 s"):
        target_of("exec:sleep 600").send(_message(), timeout_s=0.2)


def test_apprise_takes_the_rest(webhook: Webhook) -> None:
    """A URL of Apprise reaches its service, and a job's name calls nobody."""
    target_of(webhook.url.replace("http://", "json://")).send(_message(), timeout_s=PATIENT_S)
    (post,) = webhook.posts
    text = json.loads(post.body)["message"]
    assert "missed" in text
    assert "@everyone" not in text


MARKUP: Final = "<!channel> <!here|x> <https://evil.example|click> <@U1> <#C1> &lt;!channel&gt;"


def test_markup_of_slack_in_a_name_calls_nobody_and_links_nowhere(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By Slack's own webhook, all that Slack would act on is escaped."""
    monkeypatch.setattr(webhook_module, "_SLACK", "127.0.0.1")
    target_of(webhook.url).send(_message(MARKUP), timeout_s=PATIENT_S)
    (post,) = webhook.posts
    (text,) = json.loads(post.body).values()
    assert "channel" in text
    assert set("<>").isdisjoint(text)


def test_markup_of_slack_in_a_name_does_nothing_by_apprise_either(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Apprise passes mentions and links on as they are."""
    webhook.body = b"ok"
    slack = import_module("apprise.plugins.slack").NotifySlack
    monkeypatch.setattr(slack, "webhook_url", webhook.url)
    target_of("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general").send(
        _message(MARKUP), timeout_s=PATIENT_S
    )
    (post,) = webhook.posts
    (sent,) = json.loads(post.body)["attachments"]
    assert "channel" in sent["text"]
    assert "<" not in sent["text"] + sent["title"]


def test_without_apprise_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exact line."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'otel-job-measure\[notify\]'"):
        target_of("slack://T1/T2/T3")


@pytest.mark.parametrize(
    "url",
    ["", "ops@example.com", "mailto:ops", "mailto:", "smtp://host/", "smtp:///?to=a@b.c", "smtp://host:99999/?to=a@b.c",
     "smtp://host/?too=a@b.c", "https://", "exec:", "exec:'", "nosuch://S3CRET", "http://a\nb",
     "http://[S3CRET", "smtp://[::1/?to=a@b.c", "x" * 5000],
)  # fmt: skip
def test_a_wrong_target_is_one_clear_error(url: str) -> None:
    """It says what a target is, and does not show a secret."""
    with pytest.raises(NotifyError) as caught:
        target_of(url)
    assert "S3CRET" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_wrong_secret_is_an_error() -> None:
    """What begins as a secret of the standard has to be base64."""
    with pytest.raises(NotifyError, match="not base64"):
        target_of("https://example.com/", secret="whsec_%%%")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pw@hooks.example.com/services/T0KEN", "https://hooks.example.com/***"),
        ("smtp://user:pw@mail.example.com:587/?to=a@b.c", "smtp://mail.example.com:587"),
        ("mailto:ops@example.com", "mailto:ops@example.com"),
        ("exec:/bin/tell --token T0KEN", "exec:/bin/tell"),
        ("json://user:pw@example.com/T0KEN", "json://***"),
    ],
)
def test_what_is_shown_has_no_secret(url: str, shown: str) -> None:
    """Neither a log line nor a repr has the password or the path of a webhook."""
    target = target_of(url)
    assert target.shown == shown
    assert "T0KEN" not in repr(target)
