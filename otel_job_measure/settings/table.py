"""Every setting once: its argument, its variable, what it takes, and what it is where nobody says."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from otel_job_measure import names
from otel_job_measure.settings import parsers
from otel_job_measure.settings.destination import GRPC, HTTP
from otel_job_measure.settings.parsers import RefusedError

_SHOWN: Final = 80
_HOUR: Final = 3600.0
_DAY: Final = 24 * _HOUR
_PEM: Final = "the path of a file with certificates in PEM format"
_BOOLEAN: Final = "`true` or `false` (also 1/0, yes/no, on/off)"


class Setting(NamedTuple):
    """One setting.

    Args:
        argument: The name of its argument and of its field in `Settings`.
        variable: The variable that it is read from.
        takes: What it takes, in words.
        convert: Makes its value of what was set, or raises `RefusedError`.
        default: Its value where nothing was set.
        before: Other variables that go before it.
        sink: The only value of `OTEL_JOB_MEASURE_SINK` with which it means something; empty where it always does.
    """

    argument: str
    variable: str
    takes: str
    convert: Callable[[object], object]
    default: object = None
    before: tuple[str, ...] = ()
    sink: str = ""

    @property
    def variables(self) -> tuple[str, ...]:
        """Returns its variables, the one that goes first first."""
        return (*self.before, self.variable)


def _ours(argument: str, name: str, takes: str, convert: Callable[[object], object], default: object = None) -> Setting:
    variable = f"{names.ENV_PREFIX}{name}"
    return Setting(argument=argument, variable=variable, takes=takes, convert=convert, default=default)


def _influxdb(argument: str, variable: str, takes: str, convert: Callable[[object], object]) -> Setting:
    return Setting(
        argument=argument,
        variable=variable,
        takes=takes,
        convert=convert,
        before=(f"{names.ENV_PREFIX}{variable}",),
        sink=names.SINK_INFLUXDB,
    )


def _otlp(
    name: str, takes: str, convert: Callable[[object], object], default: object = None, *, argument: str = ""
) -> Setting:
    return Setting(
        argument=argument or f"otlp_{name.lower()}",
        variable=f"{names.ENV_OTLP_PREFIX}{name}",
        takes=takes,
        convert=convert,
        default=default,
        before=(f"{names.ENV_OTLP_PREFIX}LOGS_{name}",),
        sink=names.SINK_OTLP,
    )


def _endpoint(argument: str, name: str, takes: str) -> Setting:
    variable = f"{names.ENV_OTLP_PREFIX}{name}"
    return Setting(
        argument=argument, variable=variable, takes=takes, convert=parsers.otlp_endpoint, sink=names.SINK_OTLP
    )


def _wait(argument: str, name: str, default: float, *, least: float) -> Setting:
    takes = f"a number of seconds from {least:g} to 86400, or with a unit, such as `500ms`, `5s`, `1m`"
    return _ours(argument, name, takes, parsers.seconds(least=least, most=_DAY), default)


SETTINGS: Final = (
    _influxdb(
        "influxdb_url",
        names.ENV_INFLUXDB_URL,
        "a URL with `http://` or `https://`, such as `http://localhost:8086`, without a user, a query or a fragment",
        parsers.server_url,
    ),
    _influxdb(
        "influxdb_token",
        names.ENV_INFLUXDB_TOKEN,
        "a token of printable ASCII characters",
        parsers.secret,
    ),
    _influxdb("influxdb_token_file", names.ENV_INFLUXDB_TOKEN_FILE, "the path of a file with a token", parsers.path),
    _influxdb("influxdb_org", names.ENV_INFLUXDB_ORG, "the organization's name or id, on one line", parsers.line),
    _influxdb("influxdb_bucket", names.ENV_INFLUXDB_BUCKET, "the bucket's name or id, on one line", parsers.line),
    _ours(
        "sink",
        "SINK",
        "`influxdb` or `otlp`",
        parsers.one_of(names.SINK_INFLUXDB, names.SINK_OTLP),
        names.SINK_INFLUXDB,
    ),
    _endpoint(
        "otlp_endpoint",
        "ENDPOINT",
        "a URL with `http://` or `https://`, such as `http://localhost:4318`, without a user, a query or a fragment",
    ),
    _endpoint(
        "otlp_logs_endpoint", "LOGS_ENDPOINT", "a URL like the one above, such as `http://localhost:4318/v1/logs`"
    ),
    _otlp("PROTOCOL", "`http/protobuf` or `grpc`", parsers.one_of(HTTP, GRPC), HTTP),
    _otlp(
        "HEADERS",
        "`name=value` pairs with commas between them, the values encoded as in a URL, of printable ASCII characters;"
        " names of letters, digits, `_`, `-` and `.`",
        parsers.otlp_headers,
    ),
    _otlp(
        "TIMEOUT",
        "a number of seconds from 0.001 to 600, as OpenTelemetry's exporters in Python take it, or with a unit, such as"
        " `10000ms`",
        parsers.seconds(least=0.001, most=600.0),
        argument="otlp_timeout_s",
    ),
    _otlp("COMPRESSION", "`gzip` or `none`", parsers.one_of("gzip", "none"), "none"),
    _otlp("CERTIFICATE", _PEM, parsers.file),
    _otlp("CLIENT_CERTIFICATE", _PEM, parsers.file),
    _otlp("CLIENT_KEY", "the path of a file with a key in PEM format", parsers.file),
    _otlp("INSECURE", _BOOLEAN, parsers.flag, default=False),
    Setting(argument="datacenter", variable=names.ENV_DATACENTER, takes="a string", convert=parsers.text),
    Setting(argument="project", variable=names.ENV_PROJECT, takes="a string", convert=parsers.text),
    Setting(argument="stage", variable=names.ENV_STAGE, takes="a string", convert=parsers.text),
    _ours("state_dir", "STATE_DIR", "the path of a folder, or `memory`", parsers.state_dir),
    _ours("history", "HISTORY", _BOOLEAN, parsers.flag, default=True),
    _ours("runs", "RUNS", _BOOLEAN, parsers.flag, default=True),
    _ours("ship", "SHIP", _BOOLEAN, parsers.flag, default=True),
    _ours(
        "tags",
        "TAGS",
        "at most 16 names of resource attributes with commas between them, such as `host.name,k8s.namespace.name`,"
        " each of at most 128 bytes, and none that the rows or InfluxDB use themselves",
        parsers.tag_names,
        (),
    ),
    _ours("error_message", "ERROR_MESSAGE", _BOOLEAN, parsers.flag, default=False),
    _ours("on_error", "ON_ERROR", "`raise` or `log`", parsers.one_of("raise", "log"), "raise"),
    _ours("confirm_start", "CONFIRM_START", "`off` or `server`", parsers.one_of("off", "server"), "off"),
    _wait("confirm_timeout_s", "CONFIRM_TIMEOUT", 1.0, least=0.001),
    _wait("timeout_s", "TIMEOUT", 10.0, least=0.001),
    _ours("ca_file", "CA_FILE", _PEM, parsers.file),
    _ours("proxy", "PROXY", "a URL with `http://` or `https://`, such as `http://proxy:3128`", parsers.proxy_url),
    _ours(
        "retention_s",
        "RETENTION",
        "a time from `1m` to `36500d`, such as `30d`, `12h`, `90m`, or a number of seconds",
        parsers.seconds(least=60.0, most=36_500 * _DAY),
        30 * _DAY,
    ),
    _ours(
        "max_bytes",
        "MAX_BYTES",
        "a size from `1MiB` to `1024TiB`, such as `500MB` or `1GiB`, or a number of bytes",
        parsers.size,
        1024**3,
    ),
    _wait("shutdown_timeout_s", "SHUTDOWN_TIMEOUT", 5.0, least=0),
    _ours("disabled", "DISABLED", _BOOLEAN, parsers.flag, default=False),
)

BY_ARGUMENT: Final[Mapping[str, Setting]] = {setting.argument: setting for setting in SETTINGS}


def is_set(value: object) -> bool:
    """Tells whether something was set: None and a string without a character that can be seen are nothing."""
    return value is not None and not (isinstance(value, str) and not value.strip())


def converted(given: Mapping[str, object], said_in: Mapping[str, str]) -> tuple[dict[str, object], list[str]]:
    """Makes values of what was set.

    Args:
        given: What was set, by argument; None and the empty string are nothing.
        said_in: The variable that a value came from, by argument, where it came from one.

    Returns:
        The good values by argument, and one line for each bad one.
    """
    good: dict[str, object] = {}
    problems: list[str] = []
    for argument, value in given.items():
        setting = BY_ARGUMENT[argument]
        if not is_set(value):
            continue
        try:
            good[argument] = setting.convert(value.strip() if isinstance(value, str) else value)
        except RefusedError as refused:
            problems.append(_problem(setting, said_in.get(argument), value, refused))
    return good, problems


def _problem(setting: Setting, variable: str | None, value: object, refused: RefusedError) -> str:
    shown = "a value that is not shown" if refused.hidden else _shown(value)
    why = f" ({refused.why})" if refused.why else ""
    return f"{variable or setting.variable} (argument {setting.argument}): got {shown}{why}; it takes {setting.takes}"


def _shown(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
