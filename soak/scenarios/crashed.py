"""Processes that end by themselves, at once and without a word, in the middle of their jobs."""

from typing import TYPE_CHECKING, Final

from soak.fault import fault

if TYPE_CHECKING:
    from soak.ground import Ground
    from soak.tally import Row

WAYS: Final = ("os._exit", "abort", "null pointer", "SIGILL", "SIGBUS", "SIGXCPU", "out of memory")


@fault("os._exit, abort, a crash in C, a fatal signal from inside", brief=14, long=140)
def crashed(ground: "Ground") -> "Row":
    """A run that was under way is recorded as lost, once; a run that had ended keeps its ending."""
    app = ground.app("soak.apps.crashing", **ground.nowhere())
    for index in range(ground.times):
        app.say(f"begin {ground.rng.random()} {WAYS[index % len(WAYS)].replace(' ', '_')}")
        assert app.line().startswith("pid ")
        assert app.line().startswith("gone ")
    assert app.end() == 0, app.stderr
    return ground.row(ground.adopted())
