"""Celery's adapter: the conformance suite in every pool with real brokers, and what is particular to Celery."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_job_measure.integrations import celery as adapter
from otel_job_measure.testing.conformance import BEHAVIOURS, Place, Recorded, check
from tests.integrations.celery_driver import DRIVERS, ON_RABBITMQ, Driver
from tests.support.brokers import RabbitMQ, Redis
from tests.support.processes import until


@pytest.fixture
def measured() -> Iterator[None]:
    """What sends tasks is measured too."""
    adapter.install()
    yield
    adapter.uninstall()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("driver", DRIVERS, ids=[driver.name for driver in DRIVERS])
@pytest.mark.usefixtures("measured")
def test_it_conforms(driver: Driver, redis: Redis, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Each behaviour is recorded rightly in every pool and with either broker, and nothing more comes later."""
    number = 1 + 2 * DRIVERS.index(driver)
    broker = redis.url.replace("/0", f"/{number}")
    if driver is ON_RABBITMQ:
        rabbitmq: RabbitMQ = request.getfixturevalue("rabbitmq")
        broker = rabbitmq.url
    driver.at(broker, redis.url.replace("/0", f"/{number + 1}"))
    performed = [behaviour for behaviour in BEHAVIOURS if behaviour.name not in driver.cannot]
    try:
        problems = {behaviour.name: check(driver, behaviour, tmp_path) for behaviour in performed}
    finally:
        driver.stop()
    assert {name: found for name, found in problems.items() if found} == {}
    count = sum(len(behaviour.endings) + len(behaviour.others) for behaviour in performed)
    assert len(Recorded.in_(tmp_path / "state").runs) == count


@pytest.mark.usefixtures("measured")
def test_beat_knows_the_due_time(redis: Redis, tmp_path: Path) -> None:
    """What beat sends is due when its schedule says, and the run tells how late it began."""
    driver = Driver("beat", "solo", "", {})
    driver.at(redis.url.replace("/0", "/14"), redis.url.replace("/0", "/15"))
    place = Place(state_dir=tmp_path / "state", job=driver.job)
    try:
        driver.worker("none/", place, "worker", "-P", "solo")
        driver.worker("none/ ", place, "beat", "-s", str(tmp_path / "beat"), "--max-interval", "1")
        until(lambda: len(Recorded.in_(place.state_dir).runs) >= 3, "three runs")
    finally:
        driver.stop()
    runs = [run for run in Recorded.in_(place.state_dir).runs if run.lag_s is not None]
    assert len(runs) >= 2
    assert {run.trigger for run in runs} == {"schedule"}
    assert all(0 <= (run.lag_s or 0.0) < 60 for run in runs)
