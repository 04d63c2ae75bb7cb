"""Periodic tasks of Celery that expire before a worker takes them, with a real beat, broker and worker."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from otel_job_measure.insight.absence import Evidence
from otel_job_measure.insight.check import checked
from otel_job_measure.insight.history_store import opened
from otel_job_measure.journal.expected_store import ExpectedStore
from otel_job_measure.settings import Settings
from tests.integrations import celery_app
from tests.integrations.celery_place import CeleryPlace
from tests.support.brokers import Redis
from tests.support.processes import until


@pytest.fixture
def broker(redis: Redis) -> str:
    """A broker's URL."""
    return redis.url.replace("/0", "/12")


@pytest.fixture
def place(broker: str, tmp_path: Path) -> Iterator[CeleryPlace]:
    """A place whose worker has ended."""
    found = CeleryPlace("tests.integrations.expiring_celery", celery_app.app, broker, tmp_path / "celery")
    found.stop()
    yield found
    found.stop()


def has_more(redis: Any, count: int) -> bool:  # noqa: ANN401 - a client of Redis
    """Returns whether so many tasks wait."""
    return bool(redis.llen("celery") >= count)


def test_what_expires_before_a_worker_comes_is_skipped_and_not_missed(
    place: CeleryPlace, broker: str, tmp_path: Path
) -> None:
    """Each such task is one `skipped` event at its due time, which a check believes; later tasks run."""
    beat = place.start("beat", "-s", str(tmp_path / "schedule"), "--max-interval", "1")
    expected = ExpectedStore(tmp_path / "celery")
    until(expected.jobs, "the due times")
    with celery_app.app.connection_for_write(broker) as connection:
        redis = connection.default_channel.client
        # Three of them have waited for two seconds and more: they have expired, however soon a worker takes them. A
        # busy beat can send one late, and the next one right after it, when that is due.
        until(partial(has_more, redis, redis.llen("celery") + 5), "five more tasks")
    place.worker = place.start("worker", "-c", "2", "--without-gossip", "--without-mingle")
    place.ended(2)
    beat.terminate()
    beat.wait(60)
    place.stop()
    runs = place.ended(2)  # also those that began since
    store, _ = opened(Settings(state_dir=tmp_path / "celery"))
    skipped = store.events(0)
    assert len(skipped) >= 3
    assert {(event.event, event.detail.partition(":")[0]) for event in skipped} == {("skipped", "expired")}
    sent = {event.due_ns or 0 for event in skipped}
    assert len(sent) == len(skipped)
    assert sorted(sent)[2] < min(run.started_ns or 0 for run in runs)  # on a busy machine later ones expire too
    later_ns = time.time_ns() + 3600 * 10**9
    (judgement,) = checked(store, Evidence(now_ns=later_ns, complete_until_ns=later_ns)).judgements
    settled = judgement.due_times.settled
    believed = [each.due.at_ns for each in settled if each.skipped.startswith("expired")]
    (known,) = expected.jobs()
    assert len(believed) == sum(due_ns > known.first_seen_ns for due_ns in sent) >= 2
    assert not {event.due_ns for event in judgement.events if event.event == "missed"}.intersection(believed)
    assert sum(each.run is not None for each in settled) == len(runs)
