"""Settings on their way to another process: everything but the secrets, which the other side has to know itself."""

from typing import Any

from otel_job_measure.errors import SettingsError
from otel_job_measure.rate_limited_log import LOG
from otel_job_measure.settings import Secret, Settings
from otel_job_measure.settings.environment import default_state_dir, gathered, process_environment
from otel_job_measure.settings.secret import ProxyUrl
from otel_job_measure.settings.table import BY_ARGUMENT

Packed = tuple[tuple[tuple[str, object], ...], tuple[str, ...], tuple[str, ...]]
"""The settings that are no secret and no default; the secrets of variables, and those of arguments, by name."""


def packed(settings: Settings) -> Packed:
    """Returns settings without their secrets."""
    values = {name: getattr(settings, name) for name in BY_ARGUMENT}
    secrets = {
        name: value[:] if isinstance(value, str) else value.reveal() for name, value in values.items() if _hidden(value)
    }
    in_variables = _from_variables()
    defaults = {name: setting.default for name, setting in BY_ARGUMENT.items()}
    defaults["state_dir"] = default_state_dir()
    plain = [(name, value) for name, value in values.items() if name not in secrets and value != defaults[name]]
    known = tuple(name for name, text in secrets.items() if in_variables.get(name) == text)
    return tuple(plain), known, tuple(name for name in secrets if name not in known)


def unpacked(given: Packed) -> Settings:
    """Returns settings with the secrets of this process's variables; without them it only appends."""
    plain, of_variables, of_arguments = given
    in_variables = _from_variables()
    found = {name: in_variables[name] for name in of_variables if name in in_variables}
    missing = [*of_arguments, *(name for name in of_variables if name not in found)]
    values: dict[str, Any] = {**dict(plain), **found}
    if missing:
        LOG.warning(
            "a JobMeasure came here without its %s, since no secret is pickled: this process writes its runs to the"
            " state directory, and another one has to send them; set %s in the environment of both",
            " and ".join(missing),
            " and ".join(BY_ARGUMENT[name].variable for name in missing),
        )
        values = {**values, "ship": False, "confirm_start": "off"}
    try:
        return Settings(**values)
    except SettingsError as error:
        LOG.error("the jobs of a JobMeasure that came here are not measured: %s", error)
        return Settings(disabled=True)


def _hidden(value: object) -> bool:
    """Tells whether a value is a secret: a token, headers, or a proxy's URL with a password."""
    return isinstance(value, Secret) or (isinstance(value, ProxyUrl) and "@" in value)


def _from_variables() -> dict[str, str]:
    """Returns the text of each variable that is set in this process, by argument."""
    given, said_in, _ = gathered(process_environment(), {})
    return {name: str(given[name]).strip() for name in said_in}
