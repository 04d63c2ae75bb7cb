"""Every fault, briefly; `make soak` tries them at length."""

import os
import random
from pathlib import Path
from typing import Final

import pytest

from soak.fault import Fault, NotHereError, all_faults
from soak.ground import ground_for
from soak.tally import as_text
from tests.support.generations import AnyInflux, Opened

_SEED: Final = int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(1_000_000))
_FAULTS: Final = all_faults()


def stands(fault: Fault, folder: Path, influx: AnyInflux | None) -> None:
    """Lets a fault happen a few times; nothing is lost, nothing is doubled, nothing else is broken."""
    with ground_for(fault, folder, _SEED, fault.brief, influx=influx) as ground:
        try:
            row = fault.scenario(ground)
        except NotHereError as reason:
            pytest.skip(str(reason))
        except BaseException as error:
            error.add_note(f"again: FAULTS_SEED={_SEED}\n{ground.logs()}")
            raise
        assert row.holds, f"again: FAULTS_SEED={_SEED}\n{as_text([row])}\n{ground.logs()}"
        assert row.runs, "a fault without runs shows nothing"


@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.name) for fault in _FAULTS if not fault.influx])
def test_nothing_is_lost(fault: Fault, tmp_path: Path) -> None:
    """Whatever goes wrong in the processes, each run that began is there, with one ending."""
    stands(fault, tmp_path / "ground", None)


@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.name) for fault in _FAULTS if fault.influx])
def test_nothing_is_lost_on_the_way_to_influxdb(fault: Fault, tmp_path: Path, generations: Opened) -> None:
    """Whatever goes wrong between the processes and the server, a query gives each point once."""
    stands(fault, tmp_path / "ground", generations.get(fault.generation))
