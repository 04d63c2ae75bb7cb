"""A run of ours without a span, and right after it a span that says the same: what the two cost apart."""

from benchmarks.contenders.contender import Where
from benchmarks.contenders.ours import Ours
from benchmarks.contenders.spans import DescribedSpans


class Apart:
    """Two jobs, one after the other: one that is measured, and one in a span that is exported.

    Args:
        where: The state directory.
    """

    def __init__(self, where: Where) -> None:
        self._ours = Ours.as_it_comes(where)
        self._spans = DescribedSpans.batched(where)

    def run(self) -> object:
        """Runs both."""
        self._ours.run()
        return self._spans.run()

    def settle(self) -> None:
        """Exports what is left."""
        self._ours.settle()
        self._spans.settle()

    def close(self) -> None:
        """Closes both."""
        self._ours.close()
        self._spans.close()
