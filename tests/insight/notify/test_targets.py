import base64
import hashlib
import hmac
import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Final

import pytest

from otel_job_measure.errors import MissingDependencyError, NotifyError
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.insight.notify import webhook as webhook_module
from otel_job_measure.insight.notify.memory import Memory
from otel_job_measure.insight.notify.message import Message, message_of
from otel_job_measure.insight.notify.notices import Notice, Trouble
from otel_job_measure.insight.notify.notifier import Look, Notifier
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


def test_a_mail_that_is_taken_for_some_is_not_sent_again(mail_server: MailServer, state_dir: Path) -> None:
    """One address is wrong: the others would get the mail each hour. If all are wrong, it is tried again."""
    mail_server.unknown = {"gone@example.com"}
    url = f"smtp://127.0.0.1:{mail_server.port}/?from=jobs@example.com&to="
    some, none = target_of(f"{url}ops@example.com,gone@example.com"), target_of(f"{url}gone@example.com")
    look = Look(troubles=[Trouble(job=JobId("nightly"), finding="missed", level=2, since_ns=0)])
    notifier = Notifier(Memory(state_dir), [some, none], lambda _: [some, none], timeout_s=PATIENT_S)
    telling = notifier.tell(look)
    assert (telling.sent, telling.waiting, mail_server.to) == (1, 1, [["ops@example.com"]])
    assert "was told, but the mail server 127.0.0.1 refused 1 of 2 recipients: gone@example.com" in telling.problems[0]
    assert "was not told" in telling.problems[1]


@pytest.mark.parametrize(
    "name",
    [
        "=?utf-8?q?=0D=0ABcc:_all@example.com?=",
        "=?utf-8?b?DQpCY2M6IGFsbEBleGFtcGxlLmNvbQ==?=",
        "=?us-ascii?Q?=0D=0A=0D=0A<h1>?=",
        "<b>Ünïcode</b>\x1b[31m",
        "日本" * 95,
        "x\r\n.\r\nMAIL FROM:<a>",
        "\udc80",
    ],
)
def test_a_name_that_is_code_in_a_mail_is_only_a_name(mail_server: MailServer, name: str) -> None:
    """Encoded words, HTML, escapes and SMTP's own words: the mail has its headers, and one part of plain text."""
    url = f"smtp://127.0.0.1:{mail_server.port}/?to=ops@example.com&from=jobs@example.com"
    target_of(url).send(_message(name), timeout_s=PATIENT_S)
    (mail,) = mail_server.mails
    assert set(mail.keys()) - {"X-Peer"} == {
        "Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "Content-Type",
        "Content-Transfer-Encoding", "MIME-Version",
    }  # fmt: skip
    assert mail["Subject"] == _message(name).subject.replace("=?", "= ?")
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().splitlines() == _message(name).text.splitlines()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 20",
        b"\0\xff\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 500,
    ],
)
def test_a_webhook_that_breaks_off_did_not_take_the_message(answer: bytes) -> None:
    """A part of an answer is none, and neither is an answer in another language."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer_once() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1)
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass

        with ThreadPoolExecutor(1) as pool:
            answered = pool.submit(answer_once)
            with pytest.raises(NotifyError, match=r"127\.0\.0\.1"):
                target_of(f"http://127.0.0.1:{listening.getsockname()[1]}/S3CRET").send(_message(), timeout_s=PATIENT_S)
            answered.result()


def test_a_command_is_not_told_what_its_terminal_would_act_on(tmp_path: Path) -> None:
    """Its variables have no escape and no newline; nothing of a name is a word of the command or of a shell."""
    seen = tmp_path / "seen"
    command = f"exec:sh -c 'printf %s \"$NOTIFY_SUBJECT\" > {seen}; echo $# >> {seen}'"
    target_of(command).send(_message("\x1b]0;x\x07$(touch pwned)`id`; rm -rf '\n--help\0"), timeout_s=PATIENT_S)
    first, *_ = seen.read_text().splitlines()
    assert first.endswith("missed0")
    assert first.isprintable()
    assert r"\x1b]0;x\x07$(touch pwned)`id`; rm -rf '\n--help\x00" in first


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
    ["", "ops@example.com", "mailto:ops", "mailto:", "mailto:ops@.com", "mailto:@a@",
     "smtp://host/", "smtp:///?to=a@b.c", "smtp://host:99999/?to=a@b.c",
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
