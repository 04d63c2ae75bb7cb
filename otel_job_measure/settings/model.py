"""All settings in one frozen value."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self, TypedDict, Unpack

from otel_job_measure import names
from otel_job_measure.errors import SettingsError
from otel_job_measure.rate_limited_log import PrintableLog
from otel_job_measure.settings.cross_checks import broken
from otel_job_measure.settings.destination import Destination, OtlpDestination, otlp_destination, parse_headers
from otel_job_measure.settings.environment import default_state_dir, gathered, process_environment, standard_proxy
from otel_job_measure.settings.parsers import MEMORY
from otel_job_measure.settings.secret import Secret, SecretFile, password_from, token_from
from otel_job_measure.settings.table import BY_ARGUMENT, Values, converted, named

LOCAL: Final = "local"
ANY: Final = "any"
_TAKES: Final = "one token of printable ASCII characters"
_SAID_IN: Final = "_said_in"  # the variable that each argument's value came from

_logger = PrintableLog(logging.getLogger(__name__))
_secret_files: dict[tuple[Path, str], SecretFile] = {}


class Arguments(TypedDict, total=False):
    """The arguments of `Settings`, all optional; docs/settings.md describes them."""

    influxdb_url: str | None
    influxdb_token: Secret | str | None
    influxdb_token_file: Path | str | None
    influxdb_username: str | None
    influxdb_password: Secret | str | None
    influxdb_password_file: Path | str | None
    influxdb_org: str | None
    influxdb_bucket: str | None
    influxdb_client_certificate: Path | str | None
    influxdb_client_key: Path | str | None
    read_token: Secret | str | None
    read_token_file: Path | str | None
    sink: Literal["influxdb", "otlp"]
    otlp_endpoint: str | None
    otlp_logs_endpoint: str | None
    otlp_protocol: Literal["http/protobuf", "grpc"]
    otlp_headers: Secret | str | None
    otlp_timeout_s: float | None
    otlp_compression: Literal["gzip", "none"]
    otlp_certificate: Path | str | None
    otlp_client_certificate: Path | str | None
    otlp_client_key: Path | str | None
    otlp_insecure: bool
    datacenter: str | None
    project: str | None
    stage: str | None
    state_dir: Path | str | None
    history: bool
    runs: bool
    ship: bool
    tags: tuple[str, ...]
    error_message: bool
    on_error: Literal["raise", "log"]
    confirm_start: Literal["off", "server"]
    confirm_timeout_s: float
    timeout_s: float
    ca_file: Path | str | None
    proxy: str | None
    retention_s: float
    max_bytes: int
    link: str | None
    trace_link: str | None
    jobs: Path | str | None
    shutdown_timeout_s: float
    heartbeat_s: float
    disabled: bool


@dataclass(frozen=True, init=False)
class Settings(Values):
    """All settings, checked, in their final form; docs/settings.md describes each.

    `Settings(...)` takes its arguments and reads only the user's home from the environment; `from_env` reads all
    variables. None and the empty string count as unset. With `disabled` nothing is an error, so that this switch works
    even if other settings are wrong.

    Args:
        **arguments: Values for fields of `Settings`.

    Raises:
        SettingsError: A value is wrong, or there is no such argument; each line of the message names a setting, the
            value it got and the values it takes.
    """

    def __init__(self, **arguments: Unpack[Arguments]) -> None:
        values, problems = _checked({}, arguments)
        del arguments  # a traceback can show the local variables of its frames, and a token may be among these
        _fill(self, values, problems, process_environment())

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **arguments: Unpack[Arguments]) -> Self:
        """Makes settings from arguments and variables; arguments take precedence.

        Args:
            environ: Variables; None for those of the process.
            **arguments: Values for fields of `Settings`.

        Returns:
            The settings.

        Raises:
            SettingsError: As for `Settings`.
        """
        variables = process_environment() if environ is None else environ
        values, problems = _checked(variables, arguments)
        home = {name: variables[name] for name in ("HOME", "XDG_STATE_HOME") if name in variables}
        del arguments, environ, variables  # as in `__init__`
        settings = cls.__new__(cls)
        _fill(settings, values, problems, home)
        return settings

    def changed(self, **arguments: Unpack[Arguments]) -> Self:
        """Makes settings that differ from these in some arguments; None and the empty string unset a value.

        Args:
            **arguments: Values for fields of `Settings`.

        Returns:
            The settings.

        Raises:
            SettingsError: As for `Settings`.
        """
        values, problems = _checked({}, {name: getattr(self, name) for name in BY_ARGUMENT} | arguments)
        del arguments  # as in `__init__`
        settings = type(self).__new__(type(self))
        values[_SAID_IN] = vars(self).get(_SAID_IN, {})
        _fill(settings, values, problems, process_environment())
        return settings

    __replace__ = changed  # for `copy.replace`

    @property
    def in_memory(self) -> bool:
        """Returns whether there is no state directory."""
        return self.state_dir == MEMORY

    @property
    def state_path(self) -> Path:
        """Returns the state directory.

        Raises:
            SettingsError: There is none.
        """
        if isinstance(self.state_dir, Path):
            return self.state_dir
        raise SettingsError("the state directory is 'memory', which has no path")

    @property
    def destination(self) -> Destination | OtlpDestination | None:
        """Returns where points go; None if no server was set."""
        if self.sink == names.SINK_OTLP:
            return otlp_destination(
                self.otlp_endpoint, self.otlp_logs_endpoint, self.otlp_protocol, insecure=self.otlp_insecure
            )
        if self.influxdb_url is None or self.influxdb_bucket is None:
            return None
        return Destination(url=self.influxdb_url, org=self.influxdb_org or "", bucket=self.influxdb_bucket)

    @property
    def destination_id(self) -> str:
        """Returns the id of the destination; without one, `local`, or `any` if another process ships."""
        if self.destination is not None:
            return self.destination.id
        return LOCAL if self.ship else ANY

    def token(self) -> str:
        """Returns the token; a token file is read again when it has changed.

        Raises:
            SettingsError: There is none, or the file cannot be read; the message does not show its content.
        """
        return self._secret("influxdb_token", _TAKES, token_from)

    def password(self) -> str:
        """Returns the password of the user; a password file is read again when it has changed.

        Raises:
            SettingsError: As for `token`.
        """
        return self._secret("influxdb_password", "one password of printable characters", password_from)

    def reading_token(self) -> str:
        """Returns the token for reading; its file is read again when it has changed.

        Raises:
            SettingsError: As for `token`.
        """
        return self._secret("read_token", _TAKES, token_from)

    def _secret(self, argument: str, takes: str, parse: Callable[[str], Secret | None]) -> str:
        given, path = getattr(self, argument), getattr(self, f"{argument}_file")
        if given is not None:
            return str(given.reveal())
        if path is None:
            raise SettingsError(f"{named(argument)} is missing")
        name = named(f"{argument}_file")
        file = _secret_files.setdefault((path, name), SecretFile(path, name, takes, parse))
        return file.secret().reveal()

    def variable(self, argument: str) -> str:
        """Returns the variable that an argument's value came from; if none, the general one to set."""
        return self.source(argument) or BY_ARGUMENT[argument].variables[-1]

    def source(self, argument: str) -> str | None:
        """Returns the variable that an argument's value came from; None if it came from none."""
        said_in: Mapping[str, str] = vars(self).get(_SAID_IN, {})
        return said_in.get(argument)

    def proxy_for(self, url: str) -> str | None:
        """Returns the proxy to a URL, from this setting or from the standard variables; sliced, it has its password."""
        return self.proxy or standard_proxy(url)

    def headers(self) -> dict[str, str]:
        """Returns the headers of requests to a receiver of OTLP, which may hold secrets."""
        return (parse_headers(self.otlp_headers.reveal()) or {}) if self.otlp_headers is not None else {}


def _fill(settings: Settings, values: dict[str, object], problems: list[str], environ: Mapping[str, str]) -> None:
    """Sets all fields of settings, or raises the problems."""
    if problems and not values["disabled"]:
        raise SettingsError("\n".join(problems))
    if values["state_dir"] is None:
        values["state_dir"] = default_state_dir(environ)
    if values["state_dir"] is None:
        _logger.warning("this user has no home directory, so runs are kept in memory: set %s", named("state_dir"))
        values["state_dir"] = MEMORY
    vars(settings).update(values)


def _checked(environ: Mapping[str, str], arguments: Mapping[str, object]) -> tuple[dict[str, object], list[str]]:
    """Returns all values by argument (defaults if unset or wrong), and one line for each problem."""
    given, said_in, unknown = gathered(environ, arguments)
    good, problems = converted(given, said_in)
    defaults = {name: setting.default for name, setting in BY_ARGUMENT.items()}
    return defaults | good | {_SAID_IN: said_in}, [*unknown, *problems, *broken(good, given.keys() - good.keys())]
