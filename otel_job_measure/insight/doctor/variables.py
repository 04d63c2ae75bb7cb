"""The settings: where each came from, what is wrong with them, and what is set and not used."""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple, cast

import opentelemetry.environment_variables as of_api
import opentelemetry.sdk.environment_variables as of_sdk

from otel_job_measure import names
from otel_job_measure.insight.doctor.finding import PROBLEM, WARNING, Finding, size, span
from otel_job_measure.settings import Settings
from otel_job_measure.settings.environment import OF_OTHER_TOOLS, of_file
from otel_job_measure.settings.secret import ProxyUrl, shown_path
from otel_job_measure.settings.table import BY_ARGUMENT, SETTINGS, is_set

_TOOLS: Final[Mapping[str, str]] = {
    **OF_OTHER_TOOLS,
    "INFLUXDB_V2_URL": "influxdb_url",
    "INFLUXDB_V2_TOKEN": "influxdb_token",
    "INFLUXDB_V2_ORG": "influxdb_org",
    "INFLUX_URL": "influxdb_url",
    "INFLUX_BUCKET": "influxdb_bucket",
}
"""The variables of InfluxDB's own tools and libraries, and the settings that they stand for."""
_DOCS: Final = "docs/settings.md lists what each variable takes"
_OTHER_PREFIXES: Final = ("OTEL_PYTHON_", "OTEL_INSTRUMENTATION_", "OTEL_EXPERIMENTAL_", names.ENV_PREFIX)
"""Variables of instrumentations and of distributions, which nobody can list."""
_VISIBLE: Final = {"state_dir", "sink", "history", "retention_s", "ship"}
"""What people want to see even if it has its default."""
_LIKE_OURS: Final = ("OTEL_JOB", "OTEL_MEASURE", "JOB_MEASURE", "CLUSTER_DATA", "PROJECT_")
_NEAR: Final = 0.75
_LIKE: Final = 0.5
_LONGEST: Final = 1000


class Said(NamedTuple):
    """A setting and the place that it came from."""

    argument: str
    variable: str
    value: str
    """As people may see it: secrets are masked."""
    place: str
    """`environment`, the path of a file, `option` or `default`."""

    @property
    def is_visible(self) -> bool:
        """Whether people want to see it."""
        return self.place != "default" or self.argument in _VISIBLE


def said(settings: Settings, *, option: bool = False) -> list[Said]:
    """Returns all settings.

    Args:
        settings: The settings.
        option: Whether the state directory came from `--state-dir`.
    """
    return [_said(settings, argument, option=option and argument == "state_dir") for argument in BY_ARGUMENT]


def _said(settings: Settings, argument: str, *, option: bool) -> Said:
    variable = settings.source(argument)
    place = "default" if variable is None else (of_file(variable) or "environment")
    value = _shown(argument, getattr(settings, argument))
    return Said(argument, variable or BY_ARGUMENT[argument].variable, value, "option" if option else place)


def _shown(argument: str, value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "", True: "on", False: "off"}[value]
    if isinstance(value, Path) and argument.endswith("_file"):
        return shown_path(value)[1:-1]
    if isinstance(value, tuple):
        return ",".join(map(str, cast("tuple[object, ...]", value)))
    if isinstance(value, str):
        return str(ProxyUrl(value))
    if isinstance(value, float):
        return span(value) if value else "off"
    return size(value) if isinstance(value, int) else str(value)  # a secret shows nothing of itself


def wrong(problems: str) -> Iterator[Finding]:
    """Yields a finding for each line of a `SettingsError`."""
    for line in problems.split("\n"):
        text, _, advice = line.partition("; ")
        yield Finding(check="settings.valid", level=PROBLEM, text=_sentence(text), advice=advice or _DOCS)


def unused(environ: Mapping[str, str], settings: Settings | None) -> Iterator[Finding]:
    """Yields what is set and not used.

    Args:
        environ: The variables.
        settings: The settings; None if they are wrong.
    """
    known = {variable for setting in SETTINGS for variable in setting.variables}
    for variable, text in environ.items():
        if variable in known:
            yield from _of_ours(variable, text, settings)
        elif variable in _TOOLS:
            yield from _of_other_tools(variable, text, settings)
        else:
            near = _near(variable, known)
            if near is not None:
                yield _unused(variable, "this package does not know it", near)
    yield from _of_sdk(environ, known)


def differing(path: Path, variables: Mapping[str, str], environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yields the variables of a file that the environment sets to something else."""
    known = {variable for setting in SETTINGS for variable in setting.variables}
    for name, value in variables.items():
        if name in known and environ.get(name, value) != value and of_file(name) is None:
            yield Finding(
                check="settings.unused",
                text=f"{name} of {path} is not used: the environment sets it to something else, which counts.",
            )


def _of_ours(variable: str, text: str, settings: Settings | None) -> Iterator[Finding]:
    if not is_set(text):
        advice = "give it a value, or unset it"
        yield Finding(
            check="settings.unused", level=WARNING, text=f"{variable} is empty, so it counts as unset.", advice=advice
        )
        return
    if settings is None:
        return
    setting = next(each for each in SETTINGS if variable in each.variables)
    used = settings.source(setting.argument)
    if used == variable or (setting.sink not in ("", settings.sink)):
        return  # the variables of the other sink may be there for another program, or for reading
    why = f"{used} takes precedence" if used else "another form of the credential takes precedence"
    yield Finding(check="settings.unused", text=f"{variable} is set and not used: {why}.")


def _of_other_tools(variable: str, text: str, settings: Settings | None) -> Iterator[Finding]:
    argument = _TOOLS[variable]
    if not is_set(text):
        return
    ours = BY_ARGUMENT[argument].variable
    # A file can hold the secret, and a token makes the user superfluous.
    credentials = ("influxdb_token", "influxdb_token_file", "influxdb_username", "influxdb_password")
    stand_ins = credentials if argument in credentials else (argument,)
    if settings is not None and any(settings.source(each) for each in stand_ins):
        yield Finding(check="settings.unused", text=f"{variable} is set for InfluxDB's own tools; {ours} is used here.")
    else:
        yield _unused(variable, "it is for InfluxDB's own tools", ours)


def _near(variable: str, known: set[str]) -> str | None:
    """Returns the variable that was meant; one with our prefix always means one of ours, though it may be unknown."""
    upper = variable.upper()
    if upper in known:
        return upper
    if upper.startswith(names.ENV_PREFIX):
        ends = {name.removeprefix(names.ENV_PREFIX): name for name in sorted(known)}
        return ends.get(_nearest(upper.removeprefix(names.ENV_PREFIX), set(ends), _LIKE) or "", "")
    ours = names.ENV_INFLUXDB_PREFIX
    for prefix in (ours, "INFLUX_"):
        if upper.startswith(prefix):
            their_ends = {name.removeprefix(ours) for name in known if name.startswith(ours)}
            end = _nearest(upper.removeprefix(prefix), their_ends, _NEAR)
            return end and f"{ours}{end}"
    return _nearest(upper, known, _NEAR) if upper.startswith(_LIKE_OURS) else None


def _nearest(word: str, words: set[str], cutoff: float) -> str | None:
    found = difflib.get_close_matches(word[:_LONGEST], sorted(words), n=1, cutoff=cutoff)
    return found[0] if found else None


def _of_sdk(environ: Mapping[str, str], known: set[str]) -> Iterator[Finding]:
    """Yields the variables of OpenTelemetry that its SDK does not know."""
    others = [
        name
        for name in environ
        if name.upper().startswith("OTEL_") and name not in known and not name.upper().startswith(_OTHER_PREFIXES)
    ]
    if not others:
        return
    of_sdk = _names_of_sdk()
    for name in others:
        if name not in of_sdk and not _near(name, known):
            yield _unused(name, "OpenTelemetry's SDK for Python does not know it", _nearest(name, of_sdk, _NEAR) or "")


def _names_of_sdk() -> set[str]:
    values = (*vars(of_api).values(), *vars(of_sdk).values())
    return {value for value in values if isinstance(value, str) and value.startswith("OTEL_")}


def _unused(variable: str, why: str, near: str) -> Finding:
    advice = f"set {near} instead" if near else f"unset it; {_DOCS}"
    return Finding(
        check="settings.unused",
        level=WARNING,
        text=f"{variable} is set and not used: {why}.",
        advice=advice,
        facts={"variable": variable, "nearest": near or None},
    )


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."
