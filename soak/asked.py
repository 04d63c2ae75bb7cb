"""The app `steady`, asked and answering."""

import json
from typing import TYPE_CHECKING, Any, Final

from soak.ground import Ground

if TYPE_CHECKING:
    from soak.app import App

MODULE: Final = "soak.apps.steady"


class Asked:
    """A process that runs jobs when it is told.

    Args:
        ground: Where.
        command: What to start, where it is not the app itself.
        variables: More of its environment.
    """

    def __init__(self, ground: Ground, *command: str, **variables: str) -> None:
        self.app: App = ground.start(*command, **variables) if command else ground.app(MODULE, **variables)

    def ask(self, *words: object) -> str:
        """Tells it something and returns its answer."""
        self.app.say(" ".join(map(str, words)))
        answer = self.app.line()
        assert answer.startswith("> "), f"{words}: {answer!r}\n{self.app.stderr}"
        return answer[2:]

    def runs(self, count: int) -> None:
        """Lets it run jobs to their end."""
        self.ask("runs", count)

    def flush(self, seconds: float) -> bool:
        """Lets it wait until all is delivered; returns whether it is."""
        return self.ask("flush", seconds) == "True"

    def health(self) -> dict[str, Any]:
        """Returns what it knows of its delivery."""
        found: dict[str, Any] = json.loads(self.ask("health"))
        return found

    def end(self) -> None:
        """Lets it end in good order."""
        code = self.app.end()
        assert code == 0, self.app.stderr

    def said(self, level: str) -> list[str]:
        """Returns what it has logged at a level."""
        return [line for line in self.app.stderr.splitlines() if line.startswith(f"{level}:otel_job_measure")]
