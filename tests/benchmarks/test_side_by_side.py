from pathlib import Path

from benchmarks.contenders.contender import Where
from benchmarks.side_by_side import Blocks, side_by_side

NAMES = ("SDK span", "SDK span, a processor that asks for the attributes", "SDK span, JobSpanProcessor registered")


def test_contenders_share_a_process(tmp_path: Path) -> None:
    """Each has a block in each round that counts."""
    wheres = {name: Where(folder=tmp_path / name) for name in NAMES}
    for where in wheres.values():
        where.folder.mkdir()
    found = side_by_side(wheres, Blocks(rounds=3, warm_up=1, runs=5))
    assert list(found) == list(NAMES)
    for samples in found.values():
        assert [len(block) for block in samples.rounds] == [5, 5, 5]
        assert min(samples.all) > 0
