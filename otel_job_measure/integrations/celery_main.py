"""The main process of a worker of Celery, which alone knows some endings: why it stopped a child, or that one died.

It also knows the tasks that never begin: revoked and expired ones.
"""

import os
import re
import time
from collections.abc import Callable
from datetime import datetime
from importlib import import_module
from typing import Any, Final, cast

from otel_job_measure import names
from otel_job_measure.integrations.contract import Adapter
from otel_job_measure.integrations.times import nanoseconds
from otel_job_measure.points.outcome import Outcome, outcome_of_exit, signal_name
from otel_job_measure.spans.outcome import outcome_of

HEADER: Final = "otel_job_measure"
"""The message's header: what the producer knows."""
_SHUT_DOWN: Final = Outcome(reason=names.REASON_CANCELLED, error_type="shutdown")
_exit_of: Final = re.compile(r"(signal|exitcode) (-?\d{1,5})").search


class MainProcess:
    """What Celery calls in the main process, there and in place of methods of its requests."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._pid = os.getpid()

    @property
    def is_here(self) -> bool:
        """Returns False in a child."""
        return os.getpid() == self._pid

    def begins(self, **_: object) -> None:
        """Makes ready what children inherit."""
        self._pid = os.getpid()
        self._adapter.prepare()

    def lives(self, **_: object) -> None:
        """Sends what a former worker has left."""
        self._adapter.collect()

    def ends(self, **_: object) -> None:
        """Ends the runs of children that the shutdown has stopped, and sends the rest."""
        with self._adapter.guard:
            for request in tuple(_state().active_requests):
                self._witnessed(request.id, _SHUT_DOWN)
        self._adapter.collect()

    def timed_out(self, original: Callable[..., Any], request: Any, soft: Any, timeout: Any) -> Any:
        """Ends a run at its hard limit, which Celery also uses to stop a child at a shutdown."""
        with self._adapter.guard:
            if not soft:
                limit = Outcome(reason=names.REASON_TIMEOUT, error_type="celery.exceptions.TimeLimitExceeded")
                self._witnessed(request.id, _SHUT_DOWN if _state().should_terminate else limit)
        return original(request, soft, timeout)

    def failed(self, original: Callable[..., Any], request: Any, exc_info: Any, *args: Any, **more: Any) -> Any:
        """Ends the run of a child that has died."""
        with self._adapter.guard:
            error = getattr(exc_info.exception, "exc", exc_info.exception)
            known = getattr(request, "_already_revoked", False) or getattr(request, "_already_cancelled", False)
            if type(error).__name__ in {"WorkerLostError", "SystemExit", "KeyboardInterrupt"} and not known:
                # Celery 5.3 kills its children at a shutdown.
                outcome = _SHUT_DOWN if _state().should_terminate else _outcome_of_loss(error)
                if request.task.acks_late and request.task.reject_on_worker_lost:
                    outcome = outcome._replace(reason=names.REASON_RETRY)
                self._witnessed(request.id, outcome)
        return original(request, exc_info, *args, **more)

    def revoked(
        self,
        sender: Any = None,
        request: Any = None,
        terminated: Any = None,
        signum: Any = None,
        expired: Any = None,
        **_: object,
    ) -> None:
        """Ends the run of a task that was stopped; one that has not begun is skipped."""
        with self._adapter.guard:
            if terminated:
                number = str(signum)  # Celery also gives the text of an exception
                kind = signal_name(int(number)) if number.isdigit() else number
                self._witnessed(request.id, Outcome(reason=names.REASON_REVOKED, error_type=kind))
                return
            said = said_of(request)
            eta = getattr(request, "eta", None)
            due = ns_of(eta) if eta else said.get("due") or said.get("queued") or time.time_ns()
            why = "expired" if expired else "revoked"
            function = getattr(sender, "run", None)
            self._adapter.missed(request.task, due, why, f"task {request.id}", function=function)

    def cancelled(self, request: Any = None, einfo: Any = None, **_: object) -> None:
        """Ends the run of a task that Celery has stopped because the connection to the broker was lost."""
        if einfo is None:
            with self._adapter.guard:
                self._witnessed(request.id, Outcome(reason=names.REASON_CANCELLED, error_type="connection lost"))

    def _witnessed(self, task_id: str, outcome: Outcome) -> None:
        """Ends the run of a child; in other pools there is none, and nothing happens."""
        if self.is_here:
            self._adapter.witnessed(key_of(task_id), outcome)
            self._adapter.collect()


def key_of(task_id: str) -> str:
    """Returns what the main process and a child call a run."""
    return f"celery {task_id}"


def said_of(request: Any) -> dict[str, int]:
    """Returns what the producer said; a message may come from anywhere."""
    said = getattr(request, HEADER, None)
    found = cast("dict[str, object]", said) if isinstance(said, dict) else {}
    return {key: value for key, value in found.items() if isinstance(value, int)}


def ns_of(eta: object) -> int:
    """Returns a task's `eta`, a text or a datetime, in ns since 1970."""
    at = datetime.fromisoformat(eta) if isinstance(eta, str) else cast("datetime", eta)
    return nanoseconds(at)


def _outcome_of_loss(error: BaseException) -> Outcome:
    """Returns how a child ended that wrote no ending, by the words of Celery's exception."""
    found = _exit_of(str(error))
    if found is None:
        return outcome_of(error)._replace(reason=names.REASON_EXIT)
    code = int(found[2])
    return outcome_of_exit(-code if found[1] == "signal" else code, str(error))


def _state() -> Any:
    return import_module("celery.worker.state")
