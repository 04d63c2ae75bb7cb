"""What this state directory expects, with what `jobs.toml` and crontabs say now."""

from collections.abc import Sequence

from otel_job_measure.cli import options
from otel_job_measure.expectations.expectation import ExpectedJob
from otel_job_measure.expectations.jobs_file import Recipient
from otel_job_measure.journal.expected_store import ExpectedStore
from otel_job_measure.runtime.crontabs import Crontabs
from otel_job_measure.runtime.jobs_file import JobsFileReader
from otel_job_measure.settings import Settings


class ExpectedHere:
    """Reads the files again when they have changed; their mistakes are said on stderr.

    Args:
        settings: Of the state directory.
    """

    def __init__(self, settings: Settings) -> None:
        self._files = JobsFileReader(settings), Crontabs(settings)
        self._store = ExpectedStore(settings.state_path)

    def jobs(self) -> Sequence[ExpectedJob]:
        """Returns what is expected; nothing in the private directory of another user, which a server can know too."""
        try:
            self._store.jobs()
        except PermissionError:
            return ()
        for problem in (problem for file in self._files for problem in file.look()):
            options.complain(problem)
        return self._store.jobs()

    @property
    def recipients(self) -> Sequence[Recipient] | None:
        """The targets of notifications in `jobs.toml`; None if it could not be read yet."""
        return self._files[0].recipients
