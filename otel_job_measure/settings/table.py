"""Every setting once: its name and type, its variable, what it takes, and its default."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal

from otel_job_measure import names
from otel_job_measure.settings import parsers
from otel_job_measure.settings.destination import GRPC, HTTP, checked_proxy, normalized
from otel_job_measure.settings.parsers import RefusedError
from otel_job_measure.settings.secret import Secret

_Convert = Callable[[object], object]

_SHOWN: Final = 80
_DAY: Final = 24 * 3600.0
_PEM: Final = "the path of a file with certificates in PEM format"
_KEY: Final = "the path of a file with a key in PEM format"
_BOOLEAN: Final = "`true` or `false` (also 1/0, yes/no, on/off)"
_URL: Final = "a URL with `http://` or `https://`, such as `http://{}`"
_BARE: Final = ", without a user, a query or a fragment"


def _setting(takes: str, convert: _Convert, default: object, *variables: str, sink: str = "") -> Any:
    """Returns the field of a setting; the first variable takes precedence."""
    return field(default=default, metadata={"takes": takes, "convert": convert, "variables": variables, "sink": sink})


def _ours(name: str, takes: str, convert: _Convert, default: object = None) -> Any:
    return _setting(takes, convert, default, f"{names.ENV_PREFIX}{name}")


def _flag(name: str, *, default: bool) -> Any:
    return _ours(name, _BOOLEAN, parsers.flag, default)


def _choice(name: str, *words: str) -> Any:
    return _ours(name, " or ".join(f"`{word}`" for word in words), parsers.one_of(*words), words[0])


def _wait(name: str, default: float, *, least: float) -> Any:
    takes = f"a number of seconds from {least:g} to 86400, or with a unit, such as `500ms`, `5s`, `1m`"
    return _ours(name, takes, parsers.seconds(least=least, most=_DAY), default)


def _influxdb(name: str, takes: str, convert: _Convert) -> Any:
    general = f"{names.ENV_INFLUXDB_PREFIX}{name}"
    return _setting(takes, convert, None, f"{names.ENV_PREFIX}{general}", general, sink=names.SINK_INFLUXDB)


def _otlp(name: str, takes: str, convert: _Convert, default: object = None) -> Any:
    general = f"{names.ENV_OTLP_PREFIX}{name}"
    of_logs = f"{names.ENV_OTLP_PREFIX}LOGS_{name}"
    return _setting(takes, convert, default, of_logs, general, sink=names.SINK_OTLP)


def _endpoint(name: str, takes: str) -> Any:
    return _setting(
        takes, parsers.url(parsers.endpoint_or_host), None, f"{names.ENV_OTLP_PREFIX}{name}", sink=names.SINK_OTLP
    )


@dataclass(frozen=True, init=False, repr=False, eq=False)
class Values:
    """The fields of `Settings`, in the order of docs/settings.md."""

    influxdb_url: str | None = _influxdb("URL", _URL.format("localhost:8086") + _BARE, parsers.url(normalized))
    influxdb_token: Secret | None = _influxdb("TOKEN", "a token of printable ASCII characters", parsers.token)
    influxdb_token_file: Path | None = _influxdb("TOKEN_FILE", "the path of a file with a token", parsers.path)
    influxdb_username: str | None = _influxdb(
        "USERNAME", "the name of a user, without a colon, on one line", parsers.username
    )
    influxdb_password: Secret | None = _influxdb("PASSWORD", "a password of printable characters", parsers.password)
    influxdb_password_file: Path | None = _influxdb("PASSWORD_FILE", "the path of a file with a password", parsers.path)
    influxdb_org: str | None = _influxdb("ORG", "the organization's name or id, on one line", parsers.line)
    influxdb_bucket: str | None = _influxdb(
        "BUCKET",
        "the bucket's name or id, or for InfluxDB 1.x `database` or `database/retention policy`, on one line",
        parsers.line,
    )
    influxdb_client_certificate: Path | None = _influxdb("CLIENT_CERTIFICATE", _PEM, parsers.file)
    influxdb_client_key: Path | None = _influxdb("CLIENT_KEY", _KEY, parsers.file)
    read_token: Secret | None = _ours("READ_TOKEN", "a token of printable ASCII characters", parsers.token)
    read_token_file: Path | None = _ours("READ_TOKEN_FILE", "the path of a file with a token", parsers.path)
    sink: Literal["influxdb", "otlp"] = _choice("SINK", names.SINK_INFLUXDB, names.SINK_OTLP)
    otlp_endpoint: str | None = _endpoint("ENDPOINT", _URL.format("localhost:4318") + _BARE)
    otlp_logs_endpoint: str | None = _endpoint(
        "LOGS_ENDPOINT", "a URL like the one above, such as `http://localhost:4318/v1/logs`"
    )
    otlp_protocol: Literal["http/protobuf", "grpc"] = _otlp(
        "PROTOCOL", "`http/protobuf` or `grpc`", parsers.one_of(HTTP, GRPC), HTTP
    )
    otlp_headers: Secret | None = _otlp(
        "HEADERS",
        "`name=value` pairs with commas between them, the values encoded as in a URL, of printable ASCII characters;"
        " names of letters, digits, `_`, `-` and `.`",
        parsers.otlp_headers,
    )
    otlp_timeout_s: float | None = _otlp(
        "TIMEOUT",
        "a number of seconds from 0.001 to 600, as OpenTelemetry's exporters in Python take it, or with a unit, such as"
        " `10000ms`",
        parsers.seconds(least=0.001, most=600.0),
    )
    otlp_compression: Literal["gzip", "none"] = _otlp(
        "COMPRESSION", "`gzip` or `none`", parsers.one_of("gzip", "none"), "none"
    )
    otlp_certificate: Path | None = _otlp("CERTIFICATE", _PEM, parsers.file)
    otlp_client_certificate: Path | None = _otlp("CLIENT_CERTIFICATE", _PEM, parsers.file)
    otlp_client_key: Path | None = _otlp("CLIENT_KEY", _KEY, parsers.file)
    otlp_insecure: bool = _otlp("INSECURE", _BOOLEAN, parsers.flag, default=False)
    datacenter: str | None = _setting("a string", parsers.text, None, names.ENV_DATACENTER)
    project: str | None = _setting("a string", parsers.text, None, names.ENV_PROJECT)
    stage: str | None = _setting("a string", parsers.text, None, names.ENV_STAGE)
    state_dir: Path | str = _ours("STATE_DIR", "the path of a folder, or `memory`", parsers.state_dir)
    history: bool = _flag("HISTORY", default=True)
    runs: bool = _flag("RUNS", default=True)
    ship: bool = _flag("SHIP", default=True)
    tags: tuple[str, ...] = _ours(
        "TAGS",
        "at most 16 names of resource attributes with commas between them, such as `host.name,k8s.namespace.name`,"
        " each of at most 128 bytes, and none that the rows or InfluxDB use themselves",
        parsers.tag_names,
        (),
    )
    error_message: bool = _flag("ERROR_MESSAGE", default=False)
    on_error: Literal["raise", "log"] = _choice("ON_ERROR", "raise", "log")
    confirm_start: Literal["off", "server"] = _choice("CONFIRM_START", "off", "server")
    confirm_timeout_s: float = _wait("CONFIRM_TIMEOUT", 1.0, least=0.001)
    timeout_s: float = _wait("TIMEOUT", 10.0, least=0.001)
    ca_file: Path | None = _ours("CA_FILE", _PEM, parsers.file)
    proxy: str | None = _ours(
        "PROXY", f"{_URL.format('proxy:3128')}, or one with `socks5://` or `socks5h://`", parsers.url(checked_proxy)
    )
    retention_s: float = _ours(
        "RETENTION",
        "a time from `1m` to `36500d`, such as `30d`, `12h`, `90m`, or a number of seconds",
        parsers.seconds(least=60.0, most=36_500 * _DAY),
        30 * _DAY,
    )
    max_bytes: int = _ours(
        "MAX_BYTES",
        "a size from `1MiB` to `1024TiB`, such as `500MB` or `1GiB`, or a number of bytes",
        parsers.size,
        1024**3,
    )
    link: str | None = _ours(
        "LINK",
        "a URL for people, such as `https://example.com/jobs/{job}?run={uuid}`; `{job}` and `{uuid}` are replaced",
        parsers.line,
    )
    trace_link: str | None = _ours(
        "TRACE_LINK",
        "a URL of a trace for people, such as `https://tempo.example.com/trace/{trace_id}`; `{trace_id}`, `{span_id}`, "
        "`{job}` and `{uuid}` are replaced",
        parsers.line,
    )
    jobs: Path | None = _ours("JOBS", "the path of a file such as `/etc/jobs.toml`", parsers.path)
    shutdown_timeout_s: float = _wait("SHUTDOWN_TIMEOUT", 5.0, least=0)
    heartbeat_s: float = _ours(
        "HEARTBEAT",
        "`off`, a number of seconds from 1 to 3600, or one with a unit, such as `30s`, `1m`",
        parsers.seconds_or_off(least=1.0, most=3600.0),
        60.0,
    )
    disabled: bool = _flag("DISABLED", default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting."""

    argument: str
    default: object
    takes: str  # in words, for errors and docs/settings.md
    convert: _Convert  # raises `RefusedError`
    variables: tuple[str, ...]  # in their order of precedence
    sink: str  # the only value of `OTEL_JOB_MEASURE_SINK` with which the setting has a meaning; empty for any

    @property
    def variable(self) -> str:
        """Returns the variable that errors and the documentation name."""
        return self.variables[-1]


SETTINGS: Final = tuple(Setting(argument=each.name, default=each.default, **each.metadata) for each in fields(Values))
BY_ARGUMENT: Final[Mapping[str, Setting]] = {setting.argument: setting for setting in SETTINGS}


def named(argument: str) -> str:
    """Returns a setting's variable and argument, as errors name it."""
    return f"{BY_ARGUMENT[argument].variable} (argument {argument})"


def is_set(value: object) -> bool:
    """Returns False for None and for a string without visible characters, which count as unset."""
    return value is not None and not (isinstance(value, str) and not value.strip())


def converted(given: Mapping[str, object], said_in: Mapping[str, str]) -> tuple[dict[str, object], list[str]]:
    """Returns the good values by argument, and one line for each bad one; `said_in` has the variable of each value."""
    good: dict[str, object] = {}
    problems: list[str] = []
    for argument, value in given.items():
        setting = BY_ARGUMENT[argument]
        try:
            good[argument] = setting.convert(value.strip() if isinstance(value, str) else value)
        except RefusedError as refused:
            problems.append(_problem(setting, said_in.get(argument, setting.variable), value, refused))
    return good, problems


def _problem(setting: Setting, variable: str, value: object, refused: RefusedError) -> str:
    text = ascii(value)
    shown = "a value that is not shown" if refused.hidden else f"{text[:_SHOWN]}{'…' if len(text) > _SHOWN else ''}"
    why = f" ({refused.why})" if refused.why else ""
    return f"{variable} (argument {setting.argument}): got {shown}{why}; it takes {setting.takes}"
