"""Has something happen at any step of what our code does: see `apps/steps.py`."""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from otel_job_measure.journal.file_lock import lock

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from soak.app import App
    from soak.ground import Ground


@contextmanager
def stepping(ground: "Ground") -> "Generator[App]":
    """Starts the process that takes steps, and ends it."""
    app = ground.app("soak.apps.steps", **ground.nowhere())
    yield app
    assert app.end() == 0, app.stderr


def places(ground: "Ground", app: "App", what: str, folder: Path) -> list[int]:
    """Returns steps of what is done, by chance as many as are to be tried, all of them where there are fewer.

    Args:
        ground: Where.
        app: The process that takes steps.
        what: What is done.
        folder: A state directory that is no longer in use.
    """
    with ground.apart():
        app.say(f"{what} nothing -1 {folder}")
        gone, code, passed = app.line().split()
        assert (gone, code) == ("gone", "0"), app.stderr
    count = int(passed)
    return sorted(ground.rng.sample(range(count), min(ground.times, count)))


def held(paths: "Iterable[Path]") -> list[Path]:
    """Returns the locks that a process holds."""
    found: list[Path] = []
    for path in paths:
        taken = lock(path, create=False)
        if taken is not None:
            taken.release()
        elif path.exists():
            found.append(path)
    return found
