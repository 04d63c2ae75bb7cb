"""What settings have to keep among themselves."""

from collections.abc import Mapping

from otel_job_measure import names
from otel_job_measure.settings.table import BY_ARGUMENT
from otel_job_measure.settings.values import MEMORY


def broken(good: Mapping[str, object], bad: frozenset[str] = frozenset()) -> list[str]:
    """Finds the rules that settings break together.

    Args:
        good: Values by argument; what isn't there has its default.
        bad: Arguments that were set, and wrong.

    Returns:
        One line for each broken rule.
    """
    ship = good.get("ship", True)
    missing = _missing(good.keys() | bad, ship=bool(ship))
    problems = [f"{', '.join(map(named, missing))}: missing; {_ALL_OR_NONE}"] if missing else []
    if "influxdb_token" in good and "influxdb_token_file" in good:
        problems.append(f"{named('influxdb_token')} and {named('influxdb_token_file')} are both set: set one of them")
    if not ship and good.get("confirm_start") == "server":
        problems.append(
            f"{named('confirm_start')}: got 'server'; it takes 'off' where {named('ship')} is off: a job would wait"
            " for what this process doesn't send"
        )
    has_server = bool(missing) or "influxdb_url" in good or "influxdb_url" in bad
    if good.get("history") is False and ship and not has_server:
        problems.append(f"{named('history')}: got off; {_NOTHING_KEPT}")
    if good.get("state_dir") == MEMORY and not (ship and has_server):
        problems.append(f"{named('state_dir')}: got 'memory'; {_NOTHING_KEPT}")
    return problems


_ALL_OR_NONE = (
    "to send runs to InfluxDB set its URL, token, org and bucket, to keep them on this machine only set none of them"
)
_NOTHING_KEPT = f"nothing would be kept: set {names.ENV_INFLUXDB_URL} and the others, or leave this away"


def _missing(given: frozenset[str] | set[str], *, ship: bool) -> list[str]:
    """Returns those of the destination's arguments that aren't there although others are."""
    wanted = ["influxdb_url", "influxdb_org", "influxdb_bucket"]
    has_token = not given.isdisjoint({"influxdb_token", "influxdb_token_file"})
    if given.isdisjoint(wanted) and not (ship and has_token):
        return []
    missing = [argument for argument in wanted if argument not in given]
    return missing if has_token or not ship else [*missing, "influxdb_token"]


def named(argument: str) -> str:
    """Returns a setting's variable and argument, as errors name it."""
    return f"{BY_ARGUMENT[argument].variable} (argument {argument})"
