"""Jobs and `JobMeasure`s on their way to another process: pickle, cloudpickle, dill, joblib, spawned processes."""

import copy
import json
import logging
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from otel_job_measure import JobMeasure
from otel_job_measure.errors import UsageError
from tests.support.uncovered import uncovered

ROOT: Final = Path(__file__).parents[2]
TOKEN: Final = "secret-token-of-a-test"
_APP: Final = """
import functools, json, os, pickle, sys
from otel_job_measure import JobMeasure

measure = JobMeasure(state_dir={state_dir!r}, ship=False)

@measure.job("nightly", reasons={{KeyError: "cancelled"}})
def nightly(number):
    return number + 1

@measure.job
async def coroutine(number):
    return number + 1

@measure.job
def generator(number):
    yield number + 1

@measure.job
@functools.lru_cache
def cached(number):
    return number + 1

@measure.job
class Made:
    def __init__(self, number):
        self.number = number

partial = measure.job(functools.partial(nightly, 1))

class Holder:
    def __init__(self):
        self.measure, self.middleware = measure, measure.sync_middleware

    def __call__(self, number):
        with self.measure.run("held"):
            return number + 1

def others(number):
    return os.getpid(), nightly(number)

if __name__ == "__main__":
    {then}
"""
_BY_VALUE: Final = """
    import {library}
    dumps = lambda job: {library}.dumps(job{options})
    with open({file!r}, "wb") as file:
        pickle.dump([dumps(job) for job in (nightly, coroutine, generator, Made, Holder())], file)
"""
_OTHER_SIDE: Final = """
import asyncio, pickle, sys
import {library} as library
nightly, coroutine, generator, made, holder = map(library.loads, pickle.load(open({file!r}, "rb")))
print(nightly(1), asyncio.run(coroutine(1)), list(generator(1)), made(2).number, holder(1))
"""


def started(code: str, *arguments: str, cwd: Path = ROOT) -> str:
    """Runs a program of its own, and returns what it printed."""
    file = cwd / "app.py"
    if cwd != ROOT:
        file.write_text(code)
    command = [sys.executable, "-c", code] if cwd == ROOT else [sys.executable, str(file)]
    done = subprocess.run([*command, *arguments], cwd=cwd, env=uncovered(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def app(tmp_path: Path, then: str) -> str:
    """Runs the app above as `__main__`."""
    return started(_APP.format(state_dir=str(tmp_path / "state"), then=then.strip()), cwd=tmp_path)


def rows(tmp_path: Path) -> list[tuple[str, str]]:
    """Returns job and status of each run row in the state directory."""
    files = [*tmp_path.glob("state/slots/*/*.lp"), *tmp_path.glob("state/ready/*.lp")]
    lines = [line for file in files for line in file.read_text().splitlines() if line.startswith("scheduling-job-run,")]
    tags = [dict(tag.split("=") for tag in line.split(" ")[0].split(",")[1:]) for line in lines]
    return sorted((tag["job"], tag["status"]) for tag in tags)


@pytest.mark.parametrize(("library", "options"), [("cloudpickle", ""), ("dill", ", recurse=True")])
def test_jobs_of_main_pickle_by_value_where_plain_ones_do(tmp_path: Path, library: str, options: str) -> None:
    """Another process, which has never seen the script, runs them measured."""
    file = str(tmp_path / "jobs")
    app(tmp_path, _BY_VALUE.format(library=library, file=file, options=options))
    assert started(_OTHER_SIDE.format(library=library, file=file)) == "2 2 [2] 2 2\n"
    jobs = [(name, "end") for name in ("Made", "coroutine", "generator", "held", "nightly")]
    assert rows(tmp_path) == jobs


def test_jobs_pickle_by_reference_as_plain_functions_do(tmp_path: Path) -> None:
    """Functions of all kinds, cached ones and classes come back as themselves; a partial as an equal one."""
    printed = app(
        tmp_path,
        """
    same = [pickle.loads(pickle.dumps(job)) is job for job in (nightly, coroutine, generator, cached, Made)]
    print(json.dumps(same), pickle.loads(pickle.dumps(partial))(), len(pickle.dumps(nightly)) < 60)
""",
    )
    assert printed == "[true, true, true, true, true] 2 True\n"
    assert rows(tmp_path) == [("nightly", "end")] * 2  # the partial, and the job that it calls


_POOLS: Final = {
    "loky": """
    import joblib
    done = joblib.Parallel(n_jobs=2, backend="loky")(joblib.delayed(others)(number) for number in range(3))
""",
    "joblib-multiprocessing": """
    import joblib
    done = joblib.Parallel(n_jobs=2, backend="multiprocessing")(joblib.delayed(others)(number) for number in range(3))
""",
    "spawn": """
    import multiprocessing
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        done = pool.map(others, range(3))
        pool.map(nightly, range(3))
""",
    "forkserver": """
    import multiprocessing
    with multiprocessing.get_context("forkserver").Pool(1) as pool:
        done = pool.map(others, range(3))
        pool.map(nightly, range(3))
""",
    "executor": """
    import concurrent.futures, multiprocessing
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        done = list(pool.map(others, range(3)))
        list(pool.map(nightly, range(3)))
""",
}


@pytest.mark.parametrize("pool", _POOLS.values(), ids=_POOLS)
def test_pools_of_processes_run_jobs_measured(tmp_path: Path, pool: str) -> None:
    """Each pool gets the job in its own way, and its children append to the state directory."""
    printed = app(tmp_path, pool + "    print(json.dumps([os.getpid(), done]))")
    pid, done = json.loads(printed)
    assert [value for _, value in done][:3] == [1, 2, 3]
    assert pid not in {worker for worker, _ in done}
    assert set(rows(tmp_path)) == {("nightly", "end")}
    assert len(rows(tmp_path)) >= 3


def measured(tmp_path: Path, **more: object) -> JobMeasure:
    """Returns one that would send to a server."""
    settings = {"influxdb_url": "http://127.0.0.1:9", "influxdb_org": "o", "influxdb_bucket": "b"}
    return JobMeasure(state_dir=tmp_path, shutdown_timeout_s=0, **settings, **more)  # type: ignore[arg-type]


def test_a_token_of_an_argument_stays_here(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The other side only appends, and logs it; so do headers and a proxy's password."""
    measure = measured(tmp_path, influxdb_token=TOKEN, proxy=f"http://user:{TOKEN}@proxy:3128", confirm_start="server")
    data = pickle.dumps({"holds": measure, "again": measure.middleware})
    assert TOKEN.encode() not in data
    with caplog.at_level(logging.WARNING):
        other = pickle.loads(data)["holds"]
    assert other.settings.influxdb_token is other.settings.proxy is None
    assert (other.settings.ship, other.settings.confirm_start) == (False, "off")
    assert other.settings.destination == measure.settings.destination
    assert "INFLUXDB_TOKEN" in caplog.text
    assert TOKEN not in caplog.text
    with other.run("there"):
        pass
    measure.close(0)
    other.close(0)


def test_a_token_of_the_environment_is_found_there_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As this process's variable then is, not as it was here."""
    monkeypatch.setenv("INFLUXDB_TOKEN", TOKEN)
    measure = measured(tmp_path)
    data = pickle.dumps(measure)
    assert TOKEN.encode() not in data
    monkeypatch.setenv("INFLUXDB_TOKEN", "another")
    other = pickle.loads(data)
    assert other.settings.ship
    assert other.settings.token() == "another"
    assert pickle.loads(data) is other
    measure.close(0)
    other.close(0)


def test_settings_that_are_wrong_on_the_other_side_harm_no_job(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A certificate file that only exists here, say: the job runs there, unmeasured, and the log has the reason."""
    file = tmp_path / "ca.pem"
    file.write_text("x")
    measure = JobMeasure(state_dir=tmp_path / "state", ca_file=file)
    data = pickle.dumps(measure.job("nightly")(len))
    file.unlink()
    assert pickle.loads(data)([1]) == 1
    assert "OTEL_JOB_MEASURE_CA_FILE" in caplog.text


def test_a_copy_of_what_holds_one_shares_it(tmp_path: Path) -> None:
    """`copy` and `deepcopy`; reasons stay too."""
    measure = JobMeasure(state_dir=tmp_path, reasons={KeyError: "cancelled"})
    assert copy.deepcopy({"deep": [measure]})["deep"][0] is copy.copy(measure) is measure
    job = measure.job("nightly")(abs)
    assert copy.deepcopy(job)(-1) == 1
    assert pickle.loads(pickle.dumps(measure)).opener.reasons == {KeyError: "cancelled"}


@pytest.mark.parametrize("wrong", [{KeyError: "lost"}, {KeyError: "tired"}, {"KeyError": "error"}, [KeyError], None])
def test_wrong_reasons_are_refused(tmp_path: Path, wrong: object) -> None:
    """When the module is read; for all jobs and for one."""
    measure = JobMeasure(state_dir=tmp_path)
    with pytest.raises(UsageError, match="reasons="):
        JobMeasure(state_dir=tmp_path, reasons=wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="reasons="):
        measure.job("nightly", reasons=wrong)  # type: ignore[call-overload]
