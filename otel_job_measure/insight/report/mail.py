"""A report as a message of MIME: the text, and the page as its alternative."""

import email.message
import email.policy
import email.utils
from collections.abc import Sequence

from otel_job_measure.insight.report import words
from otel_job_measure.insight.report.page import html
from otel_job_measure.insight.report.report import Report
from otel_job_measure.insight.report.text import text


def mail(report: Report, to: Sequence[str] = ()) -> bytes:
    """Returns the message, as `sendmail -t` takes it.

    Args:
        report: The report.
        to: The addresses that get it; without one, the header is missing, and who sends it names them.
    """
    message = email.message.EmailMessage(policy=email.policy.SMTP.clone(linesep="\n"))
    message["Subject"] = subject(report).replace("=?", "= ?")  # the library would read an encoded word in a name
    if to:
        message["To"] = ", ".join(to)
    message["Date"] = email.utils.localtime()
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text(report), cte="quoted-printable")
    message.add_alternative(html(report), subtype="html", cte="quoted-printable")
    return message.as_bytes()


def subject(report: Report) -> str:
    """Returns the subject: what is the matter stands in it."""
    bad = len(words.not_ok(report)) + len(report.overview.hosts)
    changed = ", ".join(f"{len(found)} {heading.lower()}" for heading, found in words.by_kind(report))
    parts = [words.title(report), f"{bad} not ok" if bad else "all ok", *([changed] if changed else [])]
    return ": ".join((parts[0], ", ".join(parts[1:])))
