import json

from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.insight.notify.message import message_of
from otel_job_measure.insight.notify.notices import Notice, Trouble

NS = 10**9
NIGHTLY = JobId("nightly", "billing", "production")
MISSED = Trouble(
    job=NIGHTLY,
    finding="missed",
    level=2,
    since_ns=1_700_000_000 * NS,
    due_ns=1_700_000_000 * NS,
    last_success_ns=1_699_913_600 * NS,
    host="web-1",
    error_type="ValueError",
    last_line="no such table",
    detail="no run started within 30 min",
)


def test_one_change_says_all_that_is_known() -> None:
    """A tired operator reads what happened, where, since when, and the way to the page."""
    message = message_of(
        "msg_1", [Notice(kind="opened", trouble=MISSED)], now_ns=NS, link="https://jobs/{job}?r={uuid}"
    )
    assert message.text == (
        "[CRITICAL] nightly (billing, production, web-1) missed\n"
        "\n"
        "Job: nightly\n"
        "Project: billing\n"
        "Stage: production\n"
        "Host: web-1\n"
        "Since: 2023-11-14T22:13:20Z\n"
        "Due: 2023-11-14T22:13:20Z\n"
        "Last success: 2023-11-13T22:13:20Z\n"
        "Error: ValueError\n"
        "Last line: no such table\n"
        "Detail: no run started within 30 min\n"
        "Open: https://jobs/nightly?r=\n"
    )


def test_many_changes_are_one_message() -> None:
    """The subject counts them; the text lists the worst first, and of very many only some."""
    notices = [
        Notice(kind="opened", trouble=Trouble(job=JobId(f"job {n}"), finding="missed", level=2, since_ns=0))
        for n in range(60)
    ]
    message = message_of("msg_1", notices, now_ns=NS)
    assert message.subject == "[CRITICAL] 60 changes: 60 missed"
    assert message.text.endswith("[CRITICAL] job 49 missed\nand 10 more\n")
    assert len(message.body["notices"]) == 60


def test_a_name_from_outside_writes_no_line_of_its_own() -> None:
    """Newlines, escapes and bidirectional marks of a job's name are shown, and never act."""
    name = "a\r\nBcc: all@example.com\x1b]52;c;x\x07\u202e" + "x" * 10_000
    trouble = Trouble(job=JobId(name), finding="failing", level=2, since_ns=2**62, last_line="\n\nOpen: https://evil")
    message = message_of("msg_1", [Notice(kind="opened", trouble=trouble)], now_ns=NS)
    assert message.subject.startswith(r"[CRITICAL] a\r\nBcc: all@example.com\x1b]52;c;x\x07\u202exxx")
    assert message.subject.isprintable()
    assert len(message.subject) < 300
    assert [line for line in message.text.split("\n") if line.startswith(("Bcc", "Open"))] == []
    assert json.loads(message.encoded())["notices"][0]["job"] == name


def test_the_object_is_a_contract() -> None:
    """Programs find each value under its name; times are ISO 8601 in UTC."""
    message = message_of("msg_1", [Notice(kind="opened", trouble=MISSED)], now_ns=NS)
    body = json.loads(message.encoded())
    assert body == {
        "version": 1,
        "id": "msg_1",
        "found": "1970-01-01T00:00:01Z",
        "subject": message.subject,
        "text": message.text,
        "notices": [
            {
                "kind": "opened",
                "finding": "missed",
                "level": 2,
                "job": "nightly",
                "project": "billing",
                "stage": "production",
                "host": "web-1",
                "since": "2023-11-14T22:13:20Z",
                "due": "2023-11-14T22:13:20Z",
                "last_success": "2023-11-13T22:13:20Z",
                "error_type": "ValueError",
                "last_line": "no such table",
                "detail": "no run started within 30 min",
                "uuid": None,
                "link": None,
            }
        ],
    }
