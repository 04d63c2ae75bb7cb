"""What a fault is, and the list of all of them: every module in `scenarios/` adds its own."""

import importlib
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from soak import scenarios
from tests.support.influxd import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from soak.ground import Ground
    from soak.tally import Row

    Scenario = Callable[[Ground], Row]

_faults: Final["dict[str, Fault]"] = {}


class NotHereError(Exception):
    """This machine, or this user, can't try the fault; the message is a sentence that says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong, and what is done to find out that nothing is lost by it.

    Args:
        name: What goes wrong, as the table says it.
        scenario: Lets it happen and returns a row of the table.
        brief: How often in `make test`.
        long: How often in `make soak`.
        influx: Whether it takes a real InfluxDB.
        generation: Which one, a key of `GENERATIONS`.
        alone: Whether it tells what something costs on a machine that does nothing else.
    """

    name: str
    scenario: "Scenario"
    brief: int
    long: int
    influx: bool
    generation: str
    alone: bool


def fault(
    name: str, *, brief: int, long: int, influx: bool = False, generation: str = VERSION, alone: bool = False
) -> "Callable[[Scenario], Scenario]":
    """Puts a scenario on the list.

    Args:
        name: What goes wrong, as the table says it.
        brief: How often it is tried in `make test`.
        long: How often in `make soak`.
        influx: Whether it takes a real InfluxDB.
        generation: Which one, a key of `GENERATIONS`.
        alone: Whether `make soak` tries nothing else meanwhile.
    """

    def add(scenario: "Scenario") -> "Scenario":
        _faults[name] = Fault(
            name=name,
            scenario=scenario,
            brief=brief,
            long=long,
            influx=influx,
            generation=generation,
            alone=alone,
        )
        return scenario

    return add


def all_faults() -> list[Fault]:
    """Returns all faults, in the order of the modules' names."""
    for module in pkgutil.iter_modules(scenarios.__path__):
        importlib.import_module(f"{scenarios.__name__}.{module.name}")
    return list(_faults.values())
