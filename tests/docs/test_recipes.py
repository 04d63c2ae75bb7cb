"""docs/recipes.md: each recipe's files are written and its commands run, with the real schedulers and servers."""

import re
import shlex
import signal
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.request import Request, urlopen

import pytest
import yaml
from kubernetes_validate import utils  # type: ignore[import-untyped]  # it has types, and no marker

from tests.delivery.support import TinyServer
from tests.docs.recipes import PAGE, Recipe
from tests.docs.test_readme import parser
from tests.support.brokers import Redis
from tests.support.processes import until
from tests.support.watched import free_port

_REDIS: Final = "redis://localhost:6379/0"
_BROKEN: Final = """
from django.core.management.base import BaseCommand, CommandError
from billing.management.commands.nightly import measure


class Command(BaseCommand):
    @measure.job("broken")
    def handle(self, *args, **options):
        raise CommandError("no invoices")
"""


class Opens(Protocol):
    def __call__(self, heading: str, variables: Mapping[str, str] = {}, places: Mapping[str, str] = {}) -> Recipe: ...


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis of its own."""
    broker = Redis(tmp_path_factory.mktemp("redis"))
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def server() -> Iterator[TinyServer]:
    """A server that takes everything."""
    tiny = TinyServer()
    yield tiny
    tiny.close()


@pytest.fixture
def opens(tmp_path: Path) -> Iterator[Opens]:
    """Opens recipes in one folder, and ends their processes."""
    opened: list[Recipe] = []
    folder = tmp_path / "recipe"
    folder.mkdir()

    def open_(heading: str, variables: Mapping[str, str] = {}, places: Mapping[str, str] = {}) -> Recipe:
        opened.append(Recipe(heading, folder, variables, places))
        return opened[-1]

    yield open_
    for each in opened:
        each.clean()


def influxdb(server: TinyServer) -> dict[str, str]:
    """Returns the variables of a server."""
    return {"INFLUXDB_URL": server.url, "INFLUXDB_TOKEN": "t", "INFLUXDB_ORG": "acme", "INFLUXDB_BUCKET": "jobs"}


def arrived(server: TinyServer, job: str) -> tuple[int, int]:
    """Returns how many starts and how many endings of a job a server has, each counted once."""
    lines = {line for request in tuple(server.requests) for line in request.lines}
    own = [line for line in lines if line.startswith(b"scheduling-job,") and f"job={job}".encode() in line]
    return sum(b'"start"' in line for line in own), sum(b'"end"' in line for line in own)


def post(url: str) -> int:
    """Returns the status of an answer."""
    with urlopen(Request(url, method="POST"), timeout=30) as answer:
        answer.read()
        return int(answer.status)


def answers(url: str) -> bool:
    """Returns whether a server takes requests already."""
    with suppress(OSError, HTTPException):
        return post(url) == 200
    return False


def test_apscheduler(opens: Opens) -> None:
    """Six lines measure a scheduler, and the runs know their due times."""
    recipe = opens("APScheduler")
    assert len([line for line in recipe.files["app.py"].splitlines() if line and not line.startswith("#")]) == 6
    recipe.start(recipe.command("python"))
    run = until(recipe.runs, "a run")[0]
    assert (run.job, run.status, run.trigger) == ("nightly", "end", "schedule")
    assert run.lag_s is not None
    assert "nightly" in recipe.run("otel-job-measure runs")


def test_celery_with_beat(opens: Opens, redis: Redis) -> None:
    """A worker with beat in it measures what beat sends, and says what is due."""
    recipe = opens("Celery with beat", places={_REDIS: redis.url})
    worker = recipe.start(recipe.command("celery"))
    run = until(lambda: [run for run in recipe.runs() if run.lag_s is not None], "a run that was due")[0]
    assert (run.job, run.status, run.trigger, run.attempt) == ("tasks.nightly", "end", "schedule", 1)
    until(lambda: "tasks.nightly\n" in recipe.run("otel-job-measure expected"), "the due times")
    assert recipe.stop(worker) == 0


def test_rq(opens: Opens, redis: Redis) -> None:
    """Its worker and its cron are measured by the launcher."""
    recipe = opens("RQ", places={_REDIS: redis.url})
    started = [recipe.start(line) for line in recipe.commands]
    run = until(lambda: [run for run in recipe.runs() if run.lag_s is not None], "a run that was due")[0]
    assert (run.job, run.status, run.trigger, run.attempt) == ("jobs.nightly", "end", "schedule", 1)
    until(lambda: "jobs.nightly\n" in recipe.run("otel-job-measure expected"), "the due times")
    assert [recipe.stop(process) for process in started] == [0, 0]


def test_fastapi(opens: Opens, server: TinyServer) -> None:
    """The work of the lifespan and the background tasks are runs; all of them are sent before a signal ends uvicorn."""
    port = str(free_port())
    recipe = opens(
        "FastAPI", influxdb(server), {"--port 8000": f"--port {port}", "localhost:8000": f"localhost:{port}"}
    )
    app = recipe.start(recipe.command("uvicorn"))
    order = shlex.split(recipe.command("curl"))[-1]
    until(lambda: answers(order), "the app")
    assert {post(order) for _ in range(19)} == {200}
    recipe.stop(app)
    assert {job: arrived(server, job) for job in ("warm-up", "send-mail")} == {"warm-up": (1, 1), "send-mail": (20, 20)}
    assert {run.status for run in recipe.runs()} == {"end"}


@pytest.mark.parametrize("change", [("", ""), (" --preload", ""), ("--preload", "--preload --threads 4")])
def test_gunicorn(opens: Opens, server: TinyServer, change: tuple[str, str]) -> None:
    """Reloads, workers that are replaced after some requests, and the end lose no run, with `--preload` and without."""
    port = str(free_port())
    recipe = opens("gunicorn", influxdb(server), {"localhost:8000": f"127.0.0.1:{port}"})
    master = recipe.start(recipe.command("gunicorn").replace(*change).replace(" 100", " 20"))
    url = shlex.split(recipe.command("curl"))[-1]
    until(lambda: answers(url), "the app")
    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(answers, url) for _ in range(300)]
        for number, each in enumerate(done):
            each.result()
            if number in {100, 200}:
                master.send_signal(signal.SIGHUP)
    right = 1 + sum(each.result() for each in done)
    assert right > 200
    assert recipe.stop(master) == 0
    runs = recipe.runs()
    assert {run.status for run in runs} == {"end"}
    assert len(runs) >= right  # an answer may be lost on its way, when a worker is replaced
    recipe.run("otel-job-measure ship --once")  # what the end of a worker had no time for
    assert arrived(server, "report") == (len(runs), len(runs))


def test_a_django_command(opens: Opens) -> None:
    """A command is a run, an error of it is a failure, and `exec` measures one that is not changed."""
    recipe = opens("A Django command")
    (recipe.folder / "billing" / "management" / "commands" / "broken.py").write_text(_BROKEN)
    recipe.run("django-admin startproject shop .")
    with (recipe.folder / "shop" / "settings.py").open("a") as settings:
        settings.write('\nINSTALLED_APPS += ["billing"]\n')
    assert "hello" in recipe.run(recipe.command("python"))
    assert recipe.start("python manage.py broken").wait(60) == 1
    assert "hello" in recipe.run(recipe.command("otel-job-measure").replace("exec nightly", "exec other"))
    assert sorted((run.job, run.reason or run.status) for run in recipe.runs()) == [
        ("broken", "error"),
        ("nightly", "end"),
        ("nightly", "end"),
        ("other", "end"),
    ]


def test_a_systemd_timer(opens: Opens, tmp_path: Path) -> None:
    """Both units are right, what the service starts is measured, and the timer's words are the job's schedule."""
    backup = tmp_path / "backup"
    backup.write_text('#!/bin/sh\nexec test "$1" = --full\n')
    backup.chmod(0o755)
    places = {
        "/opt/venv/bin": str(Path(sys.executable).parent),
        "/usr/local/bin/backup": str(backup),
        "/etc/systemd/system/": "",
        "/var/lib/otel-job-measure": str(tmp_path / "recipe" / "state"),
    }
    recipe = opens("A systemd timer", places=places)
    assert recipe.run("systemd-analyze verify ./nightly.service ./nightly.timer") == ""
    service, timer = (_unit(recipe.files[f"nightly.{kind}"]) for kind in ("service", "timer"))
    assert recipe.run(service["ExecStart"]) == ""
    assert [(run.job, run.status) for run in recipe.runs()] == [("nightly", "end")]
    assert timer["OnCalendar"] in shlex.split(service["ExecStart"])
    assert recipe.run(f"systemd-analyze calendar '{timer['OnCalendar']}'")
    assert timer["OnCalendar"] in recipe.run("otel-job-measure expected")
    [runs] = [line for line in recipe.commands if " runs " in line]
    assert "nightly" in recipe.run(runs)


def _unit(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))


def test_systemd_would_complain(opens: Opens) -> None:
    """Its check finds a word that it does not know, and a program that is not there."""
    recipe = opens("A systemd timer", places={"/etc/systemd/system/": "", "oneshot": "oneshoot"})
    recipe.start("systemd-analyze verify ./nightly.service").wait(60)
    assert "oneshoot" in recipe.said
    assert "/opt/venv/bin/otel-job-measure" in recipe.said


def test_a_kubernetes_cronjob(opens: Opens, server: TinyServer) -> None:
    """Every version of Kubernetes takes it, and its command sends the run before it ends."""
    recipe = opens("A Kubernetes CronJob")
    manifest: dict[str, Any] = yaml.safe_load(recipe.files["nightly.yaml"])
    for version in utils.all_versions():
        if int(version.split(".")[1]) >= 29:
            assert utils.validate(manifest, version, strict=True)
    [container] = manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    (recipe.folder / "billing").mkdir()
    (recipe.folder / "billing" / "nightly.py").write_text("")
    variables = {each["name"]: each["value"] for each in container["env"]} | influxdb(server)
    variables["OTEL_JOB_MEASURE_STATE_DIR"] = str(recipe.folder / "state")
    command = [*container["command"], *container["args"]]
    recipe.run(shlex.join(command), **variables)
    assert arrived(server, "nightly") == (1, 1)
    assert all(b"project=billing" in line for line in server.requests[0].lines)
    schedule = {"--schedule": manifest["spec"]["schedule"], "--timezone": manifest["spec"]["timeZone"]}
    assert {option: command[command.index(option) + 1] for option in schedule} == schedule


@pytest.mark.parametrize("heading", re.findall(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
def test_what_is_added_is_six_lines(opens: Opens, heading: str) -> None:
    """A program that is there already needs six lines more at most: those with `measure` in them."""
    lines = [line for text in opens(heading).files.values() for line in text.splitlines()]
    added = [line for line in lines if "measure" in line.lower()]
    assert len(added) <= 6
    assert bool(added) == (heading != "RQ")


def test_the_page_installs_what_there_is() -> None:
    """Each extra exists; each command of ours can be parsed."""
    extras = metadata.metadata("otel-job-measure").get_all("Provides-Extra") or []
    page = PAGE.read_text(encoding="utf-8")
    assert set(re.findall(r"'otel-job-measure\[(\w+)\]'", page)) <= set(extras)
    lines = re.findall(r"^(?:\S+/)?(otel-job-measure .*)$", page, re.MULTILINE)
    assert [parser().parse_args(shlex.split(line)[1:]) for line in lines]
