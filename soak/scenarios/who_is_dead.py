"""Whether a process lives, where neither its id, its lock file, the boot nor the place of its files can say it."""

import shutil
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from soak import found
from soak.adopter import lost_by
from soak.asked import MODULE, Asked
from soak.books import Books
from soak.fault import fault
from soak.namespaces import other_boot, own_pids
from soak.scenarios.adopters import Copies

if TYPE_CHECKING:
    from soak.app import App
    from soak.ground import Ground
    from soak.tally import Row

_APP: Final = (sys.executable, "-m", MODULE)


@fault("containers with their own process ids share a state directory; one is killed", brief=2, long=15, influx=True)
def containers(ground: "Ground") -> "Row":
    """Both are process 1 of their container. A third one leaves the living one's run alone and closes the other."""
    apart = own_pids()
    bucket = ground.server.new_bucket()
    variables = ground.server.variables(bucket)
    command = str(Path(sys.executable).with_name("otel-job-measure"))
    for _ in range(ground.times):
        lives, dies = (Asked(ground, *apart, *_APP, **variables) for _ in range(2))
        for each in (lives, dies):
            each.runs(5)
            each.ask("begin")
        dies.app.kill()
        shipper = ground.start(*apart, command, "ship", "--once", "--env-file", "/dev/null", **variables)
        code = shipper.end()
        ground.expect(code == 0, f"ship ended with {code}: {shipper.stderr}")
        lives.ask("end")
        lives.end()
    ground.ship(**variables)
    points = found.in_influx(ground.server, bucket)
    lost = sum(point.status == "lost" for point in points)
    ground.expect(lost == ground.times, f"{lost} runs of {ground.times} killed containers are lost")
    return ground.row(points)


@fault("a state directory is copied, while its processes live and after", brief=2, long=15)
def copied(ground: "Ground") -> "Row":
    """In the copy each run has one ending of its own; the runs of dead processes end there in the same rows."""
    for number in range(ground.times):
        original = ground.folder / f"original-{number}"
        variables = ground.nowhere(OTEL_JOB_MEASURE_STATE_DIR=str(original))
        app = ground.app("soak.apps.lives", **variables)
        app.say(f"begin {ground.rng.random()} busy")
        pid = int(app.line().removeprefix("pid "))
        ground.until(partial(_has_run, app), "it has run some jobs")
        begun = list(ground.books.begun)
        living = Path(shutil.copytree(original, ground.folder / f"living-{number}"))
        ground.end(pid, signal.SIGKILL)
        assert app.end() == 0, app.stderr
        dead = Path(shutil.copytree(original, ground.folder / f"dead-{number}"))
        _look_at_copy(ground, living, begun)
        both = [found.adopted(folder) for folder in (original, dead)]
        ground.expect(set(both[0]) == set(both[1]), "two passes close the same runs with different rows")
        ground.look([*both[0], *both[1]])
        ground.books.begun.clear()
    return ground.row()


def _has_run(app: "App") -> bool:
    return app.reports > 100


def _look_at_copy(ground: "Ground", copy: Path, begun: list[str]) -> None:
    """Compares a copy of a living directory with what had begun by then; how those runs ended it can't know."""
    books = Books()
    for uuid in begun:
        books.begin(uuid)
    ground.compared.append(books.compare(found.adopted(copy)))


def is_closed_in_time(ground: "Ground", what: str) -> None:
    """Expects that the one open run of a process that was killed counts as lost after ten minutes, and not before."""
    ground.expect(lost_by(ground, 9) == 0, f"{what} is closed before its time")
    lost = lost_by(ground, 11)
    ground.expect(lost == 1, f"{lost} runs are lost where one was open")


@fault("the lock file of a process is deleted; the process lives on or is killed", brief=3, long=30)
def without_lock_file(ground: "Ground") -> "Row":
    """No run is closed before ten minutes of silence; then the dead process's run is closed once."""
    for number in range(ground.times):
        app = Asked(ground, **ground.nowhere())
        app.runs(5)
        app.ask("begin")
        for lock in ground.state_dir.glob("slots/*/lock"):
            lock.unlink()
        ground.expect(lost_by(ground, 9) == 0, "a process without a lock file is closed before its time")
        app.runs(5)
        if number % 2:
            app.ask("end")
            app.end()
        else:
            app.app.kill()
            is_closed_in_time(ground, "a slot without a lock file")
    return ground.row(ground.adopted())


@fault("a process of another boot of the machine lives, or was killed", brief=3, long=30)
def of_another_boot(ground: "Ground") -> "Row":
    """A living process's run is never closed, whatever the clock says; a dead one's after ten minutes of silence."""
    boot = ground.folder / "boot_id"
    boot.write_text("of another boot\n")
    for _ in range(ground.times):
        app = Asked(ground, *other_boot(boot), *_APP, **ground.nowhere())
        app.runs(5)
        app.ask("begin")
        ground.expect(lost_by(ground, 60) == 0, "a living process of another boot is closed")
        app.app.kill()
        is_closed_in_time(ground, "what is of another boot")
    return ground.row(ground.adopted())


@fault("eight recovery passes at exactly the same time", brief=4, long=40)
def at_once(ground: "Ground") -> "Row":
    """Each run is closed once, in the same rows that a single pass would have written."""
    copies = Copies(ground)
    app = ground.app("soak.apps.adopting", 8)
    for _ in range(ground.times):
        folder = copies.copy()
        app.say(str(folder))
        ended = app.line()
        ground.expect(ended == "gone {0}", f"adopters ended with {ended}: {app.stderr}")
        copies.look(folder)
    assert app.end() == 0, app.stderr
    return ground.row()
