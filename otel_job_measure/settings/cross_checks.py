"""Rules between settings."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from otel_job_measure import names
from otel_job_measure.settings.destination import GRPC
from otel_job_measure.settings.parsers import MEMORY
from otel_job_measure.settings.secret import Secret
from otel_job_measure.settings.table import BY_ARGUMENT, SETTINGS, named

_ALL_OR_NONE: Final = (
    "to send runs to InfluxDB set its URL, token, org and bucket (InfluxDB 3 takes any org; InfluxDB 1.x needs its URL"
    f" and bucket, and {names.ENV_INFLUXDB_USERNAME} and {names.ENV_INFLUXDB_PASSWORD} if it has users);"
    " to keep them on this machine only, set none of them"
)
_ONE_OF: Final = (
    ("influxdb_token", "influxdb_token_file"),
    ("influxdb_password", "influxdb_password_file"),
    ("influxdb_token", "influxdb_username"),
    ("influxdb_token_file", "influxdb_username"),
    ("read_token", "read_token_file"),
)
_NOTHING_KEPT: Final = f"nothing would be kept: set {names.ENV_INFLUXDB_URL} and the others, or leave this out"


def broken(good: Mapping[str, object], bad: AbstractSet[str]) -> list[str]:
    """Returns one line for each rule that is broken by the good values and the arguments with a wrong value."""
    given = good.keys() | bad
    ship = bool(good.get("ship", True))
    is_otlp = good.get("sink") == names.SINK_OTLP
    missing = [] if is_otlp else _missing(given, ship=ship, is_pair=_is_pair(good.get("influxdb_token")))
    problems = [f"{', '.join(map(named, missing))}: missing; {_ALL_OR_NONE}"] if missing else []
    problems += [
        f"{named(one)} and {named(other)} are both set: set one of them"
        for one, other in _ONE_OF
        if one in good and other in good
    ]
    if not ship and good.get("confirm_start") == "server":
        problems.append(
            f"{named('confirm_start')}: got 'server'; it takes 'off' if {named('ship')} is off: a job would wait for"
            " points that this process does not send"
        )
    problems += _of_other_sink(good, bad, names.SINK_OTLP if is_otlp else names.SINK_INFLUXDB)
    if is_otlp and good.get("otlp_protocol") != GRPC:
        problems += [
            f"{named(argument)}: got a value that is not shown (it must begin with http:// or https://); host and port"
            f" alone are taken if {named('otlp_protocol')} is 'grpc'"
            for argument in ("otlp_endpoint", "otlp_logs_endpoint")
            if "/" not in str(good.get(argument, "/"))
        ]
    has_server = is_otlp or bool(missing) or "influxdb_url" in given
    if good.get("history") is False and ship and not has_server:
        problems.append(f"{named('history')}: got off; {_NOTHING_KEPT}")
    for sink in ("influxdb", "otlp") if is_otlp else ("influxdb",):
        certificate, key = f"{sink}_client_certificate", f"{sink}_client_key"
        if len({certificate, key} & given) == 1:
            lacking = certificate if key in given else key
            problems.append(f"{named(lacking)}: missing; a client's certificate and its key come together")
    if good.get("state_dir") == MEMORY and not (ship and has_server):
        problems.append(f"{named('state_dir')}: got 'memory'; {_NOTHING_KEPT}")
    return problems


def _missing(given: AbstractSet[str], *, ship: bool, is_pair: bool) -> list[str]:
    """Returns the destination's arguments that are missing although others are set.

    InfluxDB 1.x has no org, and without users no credentials either: the URL and the bucket alone are enough. `is_pair`
    says that the token is a user and a password of InfluxDB 1.x.
    """
    wanted = ["influxdb_url", "influxdb_org", "influxdb_bucket"]
    has_token = not given.isdisjoint({"influxdb_token", "influxdb_token_file"})
    has_password = not given.isdisjoint({"influxdb_password", "influxdb_password_file"})
    has_user = has_password or "influxdb_username" in given
    if given.isdisjoint(wanted) and not (ship and has_token):
        return []
    missing = [argument for argument in wanted if argument not in given]
    is_open = missing == ["influxdb_org"] and not (has_token or has_user)
    if has_user or is_pair or is_open:
        missing = [argument for argument in missing if argument != "influxdb_org"]
    if has_user and "influxdb_username" not in given:
        missing.append("influxdb_username")
    elif has_user and ship and not has_password:
        missing.append("influxdb_password")
    elif ship and not (has_user or has_token or is_open):
        missing.append("influxdb_token")
    return missing


def _is_pair(token: object) -> bool:
    return isinstance(token, Secret) and ":" in token.reveal()


def _of_other_sink(good: Mapping[str, object], bad: AbstractSet[str], sink: str) -> list[str]:
    """Returns a line if settings of the sink that is not in use were set."""
    # `Settings.changed` passes all values, also those that are defaults.
    given = bad | {argument for argument, value in good.items() if value != BY_ARGUMENT[argument].default}
    found = [setting.argument for setting in SETTINGS if setting.argument in given and setting.sink not in ("", sink)]
    other = names.SINK_INFLUXDB if sink == names.SINK_OTLP else names.SINK_OTLP
    return [f"{', '.join(map(named, found))}: set; {named('sink')} would have to be {other!r} for it"] if found else []
