import os, signal, threading, time, sys
from pathlib import Path
import pytest
from tests.acceptance.processes import *
from tests.acceptance.recorded import Runs
from tests.acceptance.conftest import *
from tests.conftest import *

def test_daemon(processes, runs, state_dir):
    code = """
import threading, os, logging
logging.basicConfig(level=logging.DEBUG)
from otel_job_measure import JobMeasure
m = JobMeasure()
ready = threading.Event()
def job():
    with m.run("daemon") as r:
        os.write(1, f"{r.uuid}\\n".encode())
        ready.set()
        threading.Event().wait()
threading.Thread(target=job, daemon=True).start()
ready.wait()
with m.run("x") as r: os.write(1, f"{r.uuid}\\n".encode())
"""
    p = processes.start(sys.executable, "-c", code, **runs.variables)
    a, b = p.line(), p.line()
    assert p.end() == 0
    print(p.stderr)
    print(runs.outcomes(), a, b)
    print(processes.ship(**runs.variables))
    assert runs.outcomes() == {a: "lost", b: "end"}

def test_rotation(processes, runs, state_dir):
    apps = [processes.driver(**runs.variables, OTEL_JOB_MEASURE_MAX_BYTES="64MiB") for _ in range(4)]
    opened = [a.begin("open") for a in apps]
    for a in apps: a.say("many busy 4 1500")
    uuids = []
    for a in apps: uuids += a.answer()
    print(sorted(p.name for p in state_dir.glob("slots/*/*.lp")))
    apps[0].kill()
    for a, u in list(zip(apps, opened))[1:]:
        a.go_on(u)
    print([a.end() for a in apps[1:]])
    print(processes.ship(**runs.variables))
    exp = dict.fromkeys(uuids, "end") | dict.fromkeys(opened, "end") | {opened[0]: "lost"}
    out = runs.outcomes()
    assert len(out) == len(exp)
    assert out == exp
    assert not list(state_dir.glob("slots/*/*.lp")) and not list(state_dir.glob("ready/*"))

def test_ship_sigterm_frozen(processes, runs):
    ship = processes.start(*SHIP, **runs.variables)
    app = processes.driver(OTEL_JOB_MEASURE_SHIP="off")
    u = app.run("a")
    runs.become({u: "end"}, "x")
    with runs.influx.frozen():
        for _ in range(5): app.run("b"); time.sleep(0.3)
        t = time.time()
        ship.popen.send_signal(signal.SIGTERM)
        print(ship.end(), time.time() - t, ship.stderr)

def test_two_ships(processes, runs, state_dir):
    a, b = (processes.start(*SHIP, **runs.variables) for _ in range(2))
    app = processes.driver(**runs.variables)
    app2 = processes.driver(OTEL_JOB_MEASURE_SHIP="off")
    us = []
    for i in range(30):
        us += app.tell("many", "j", "2", "5") + app2.tell("many", "j", "2", "5")
        if i == 15: a.popen.send_signal(signal.SIGTERM)
        time.sleep(0.05)
    assert a.end() == 0
    assert app.end() == 0 and app2.end() == 0
    t = time.time()
    until(lambda: not list(state_dir.glob("slots/*/*.lp")) and not list(state_dir.glob("ready/*")), "gone")
    print(time.time() - t)
    b.popen.send_signal(signal.SIGTERM)
    assert b.end() == 0
    assert runs.outcomes() == dict.fromkeys(us, "end")
    print(a.stderr, b.stderr, app.stderr[-500:], list(state_dir.rglob("*")))
