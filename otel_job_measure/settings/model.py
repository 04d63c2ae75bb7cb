"""All settings in one frozen value."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, Self, TypedDict, Unpack, cast

from otel_job_measure import names
from otel_job_measure.errors import SettingsError, UsageError
from otel_job_measure.frozen import Frozen, frozen
from otel_job_measure.settings.cross_checks import broken, named
from otel_job_measure.settings.destination import Destination, OtlpDestination
from otel_job_measure.settings.environment import default_state_dir, gathered, unknown_arguments
from otel_job_measure.settings.otlp import destination_of, headers_of
from otel_job_measure.settings.parsers import MEMORY
from otel_job_measure.settings.secret import Secret, TokenFile
from otel_job_measure.settings.table import BY_ARGUMENT, converted

LOCAL: Final = "local"
ANY: Final = "any"

_logger = logging.getLogger(__name__)
_token_files: dict[Path, TokenFile] = {}


class Arguments(TypedDict, total=False):
    """The arguments of `Settings`, each of them optional; docs/settings.md says what they do."""

    influxdb_url: str | None
    influxdb_token: Secret | str | None
    influxdb_token_file: Path | str | None
    influxdb_org: str | None
    influxdb_bucket: str | None
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
    shutdown_timeout_s: float
    disabled: bool


@frozen
class Settings(Frozen):
    """All settings, checked, in their final form; docs/settings.md says what each takes and does.

    `Settings(...)` takes its arguments and leaves the environment alone, but for the user's home; `from_env` takes
    both. None and the empty string mean that nothing was set. With `disabled` nothing is an error, so that the switch
    works whatever else is wrong.

    Raises:
        SettingsError: Something is wrong; each line of the message names a setting, what it got and what it takes.
        UsageError: There is no such argument.
    """

    _parts = tuple(BY_ARGUMENT)
    __slots__ = _parts

    influxdb_url: str | None
    influxdb_token: Secret | str | None
    influxdb_token_file: Path | str | None
    influxdb_org: str | None
    influxdb_bucket: str | None
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
    shutdown_timeout_s: float
    disabled: bool

    def __init__(self, **arguments: Unpack[Arguments]) -> None:
        unknown = unknown_arguments(arguments)
        good, problems = _checked({name: value for name, value in arguments.items() if name in BY_ARGUMENT}, {})
        # Nothing that holds a token in clear may be among the local variables of a frame that raises.
        del arguments
        if problems and not good.get("disabled"):
            raise SettingsError("\n".join(problems))
        if unknown:
            raise UsageError("\n".join(unknown))
        values = {name: setting.default for name, setting in BY_ARGUMENT.items()} | good
        values["state_dir"] = values["state_dir"] or default_state_dir(None) or _without_home()
        self._keep(values)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **arguments: Unpack[Arguments]) -> Self:
        """Makes settings from arguments and, where those say nothing, from variables.

        Args:
            environ: Variables; None for those of the process.
            **arguments: Those of `Settings`.

        Returns:
            The settings.

        Raises:
            SettingsError: Something is wrong, as in `Settings`, or there is no such argument.
        """
        unknown = unknown_arguments(arguments)
        given, said_in = gathered(environ, arguments)
        good, problems = _checked(given, said_in)
        good.setdefault("state_dir", default_state_dir(environ))
        # As in `__init__`: no token in clear where a traceback can show it.
        given.clear()
        del arguments, environ
        if unknown or (problems and not good.get("disabled")):
            raise SettingsError("\n".join([*unknown, *problems]))
        return cls(**cast("Arguments", good))

    def changed(self, **arguments: Unpack[Arguments]) -> Self:
        """Makes settings that differ from these in some arguments; None and the empty string unset what was set.

        Args:
            **arguments: Those of `Settings`.

        Returns:
            The settings.

        Raises:
            SettingsError: Something is wrong, as in `Settings`, or there is no such argument.
        """
        unknown = unknown_arguments(arguments)
        given = {name: arguments.get(name, getattr(self, name)) for name in BY_ARGUMENT}
        good, problems = _checked(given, {})
        given.clear()  # as in `from_env`
        del arguments
        if unknown or (problems and not good.get("disabled")):
            raise SettingsError("\n".join([*unknown, *problems]))
        return type(self)(**cast("Arguments", good))

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
        """Returns where points go; None where no server was set."""
        if self.sink == names.SINK_OTLP:
            return destination_of(
                self.otlp_endpoint, self.otlp_logs_endpoint, self.otlp_protocol, insecure=self.otlp_insecure
            )
        if self.influxdb_url is None or self.influxdb_org is None or self.influxdb_bucket is None:
            return None
        return Destination(url=self.influxdb_url, org=self.influxdb_org, bucket=self.influxdb_bucket)

    @property
    def destination_id(self) -> str:
        """Returns the id of the destination: `local` where there is none, `any` where another process knows it."""
        if self.destination is not None:
            return self.destination.id
        return LOCAL if self.ship else ANY

    def token(self) -> str:
        """Returns the token as it is now: a file is read again when it has changed.

        Raises:
            SettingsError: There is none, or the file cannot be read; what it holds is not shown.
        """
        if isinstance(self.influxdb_token, Secret):
            return self.influxdb_token.reveal()
        path = self.influxdb_token_file
        if not isinstance(path, Path):
            raise SettingsError(f"{named('influxdb_token')} is missing")
        file = _token_files.setdefault(path, TokenFile(path, named("influxdb_token_file")))
        return file.token().reveal()

    def headers(self) -> dict[str, str]:
        """Returns the headers of requests to a receiver of OTLP; secrets may be among them."""
        return (headers_of(self.otlp_headers.reveal()) or {}) if isinstance(self.otlp_headers, Secret) else {}


def _without_home() -> str:
    _logger.warning("this user has no home directory, so runs are kept in memory: set %s", named("state_dir"))
    return MEMORY


def _checked(given: Mapping[str, object], said_in: Mapping[str, str]) -> tuple[dict[str, object], list[str]]:
    """Returns the good values by argument, and what is wrong, one line each."""
    good, problems = converted(given, said_in)
    bad = given.keys() - good.keys() if problems else frozenset[str]()
    return good, [*problems, *broken(good, frozenset(bad))]
