"""The contract of all stores, for a store to which each question is many requests."""

import random
from collections.abc import Sequence

import pytest

from otel_job_measure.insight.run_store import ALL, Wanted
from tests.insight.contract import CLOCK_NS, Load, StoreContract, choices, some_runs
from tests.insight.plain_store import PlainStore


class RemoteContract(StoreContract):
    """The same contract, with fewer combinations of what is wanted."""

    many = 20_000

    def chosen(self, seed: int) -> Sequence[Wanted]:
        """Returns a few of the choices: each of them costs some hundred requests."""
        return random.Random(seed).sample(list(choices()), 2)

    @pytest.mark.timeout(600)
    def test_twenty_thousand_runs_are_counted_right(self, load: Load) -> None:
        """No limit of a query, a page or a batch cuts an answer."""
        data = some_runs(self.many, 7)
        store, plain = load(data), PlainStore(data, CLOCK_NS)
        assert store.summaries(ALL) == plain.summaries(ALL)
        some = Wanted(job="job-1*", words=("failed", "running"))
        assert list(store.starts(some)) == list(plain.starts(some))
