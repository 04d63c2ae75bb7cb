"""`otel-job-measure completion`: what makes a shell complete our command line.

shtab writes the scripts from the parsers. What it cannot know is here: the names of jobs, and the command of `exec`. No
name is ever evaluated by a shell, whatever it contains.
"""

import argparse
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, cast

from otel_job_measure.cli import options
from otel_job_measure.errors import JobMeasureError

_DESCRIPTION = """Prints a script that makes a shell complete commands, options, files and the names of jobs. Put it
where the shell looks for completions: see docs/see.md. It needs pip install 'otel-job-measure[completion]'."""
_SHELLS: Final = ("bash", "zsh", "fish")
_JOBS: Final = "jobs"
_MOST_NAMES: Final = 1000
_MOST_NAME: Final = 200
_PATIENCE_S: Final = 0.5
_ALL: Final = "otel-job-measure completion jobs 2>/dev/null"
_TAKES_JOBS: Final = {"--job", "JOB"}
_FOLDERS: Final = {"DIR"}
_FILES: Final = {"FILE"}

# A colon or an equals sign begins a new word in bash, unless it is escaped. `--sort=name` is put together again.
_BASH: Final = f"""
_otel_job_measure_jobs() {{
  local name quoted
  while IFS= read -r name; do
    printf -v quoted %q "$name"
    quoted=${{quoted//:/\\\\:}}
    quoted=${{quoted//=/\\\\=}}
    [[ $name == "$1"* || $quoted == "$1"* ]] && printf '%s\\n' "$quoted"
  done < <({_ALL})
}}
_otel_job_measure_command_or_file() {{
  compgen -c -- "$1"
  compgen -f -- "$1"
}}
"""
_BASH_END: Final = """
_otel_job_measure() {
  local -a words=()
  local at count=$COMP_CWORD
  for at in "${!COMP_WORDS[@]}"; do
    if [[ ${COMP_WORDS[at]} == "=" && ${COMP_WORDS[at - 1]} == --* ]]; then
      if ((at < COMP_CWORD)); then ((count -= 1)); else words+=(""); fi
    else
      words+=("${COMP_WORDS[at]}")
    fi
  done
  local -a COMP_WORDS=("${words[@]}")
  local COMP_CWORD=$count
  _shtab_otel_job_measure
}
complete -o bashdefault -F _otel_job_measure otel-job-measure
"""
_ZSH: Final = f"""
_otel_job_measure_jobs() {{
  local -a names=("${{(@f)$({_ALL})}}")
  compadd -a names
}}
_otel_job_measure_command() {{
  shift words
  ((CURRENT -= 1))
  if [[ $words[1] == -- ]] {{ shift words; ((CURRENT -= 1)) }}
  _normal
}}
"""
_TAKES_VALUE: Final = re.compile(r"^(  \"\*?--[a-z-]+)\[(.*[^\\]\]:)", re.MULTILINE)
"""An option of the zsh script that takes a value: with `=` it completes `--sort=` too."""
_FISH: Final = """
function _otel_job_measure_command
  set -l words (commandline -opc)
  set -l at (contains -i -- -- $words)
  set -l rest
  if test -n "$at"; and test $at -lt (count $words)
    set rest (string escape -- $words[(math $at + 1)..-1])
  end
  complete -C (string join ' ' -- $rest (commandline -ct))
end
"""
_NAMES: Final = {
    "bash": "_otel_job_measure_jobs",
    "zsh": "_otel_job_measure_jobs",
    "fish": f"({_ALL})",
    "preamble": {"bash": _BASH, "zsh": _ZSH},
}
_COMMAND: Final = {
    "bash": "_otel_job_measure_command_or_file",
    "zsh": "_otel_job_measure_command",
    "fish": "(_otel_job_measure_command)",
    "preamble": {"bash": _BASH, "zsh": _ZSH, "fish": _FISH},
}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:  # pyright: ignore[reportPrivateUsage] - its only name
    """Adds the command to the command line."""
    parser = commands.add_parser("completion", help="print what makes a shell complete words", description=_DESCRIPTION)
    parser.add_argument(
        "shell",
        metavar="SHELL",
        choices=(*_SHELLS, _JOBS),
        help=f"{', '.join(_SHELLS)}; {_JOBS} prints the names of jobs, which the scripts ask for",
    )
    options.add_state_dir(parser)
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    """Prints a script, or the names of jobs."""
    if args.shell == _JOBS:
        for name in _names(args):
            print(name)
        return 0
    try:
        import shtab  # noqa: PLC0415 - an extra, for this command alone
    except ImportError as error:
        raise JobMeasureError("this needs shtab: pip install 'otel-job-measure[completion]'") from error
    whole: argparse.ArgumentParser = args.whole()
    _teach(whole, shtab.FILE, shtab.DIRECTORY)
    script = shtab.complete(whole, args.shell)
    print(_TAKES_VALUE.sub(r"\1=[\2", script) if args.shell == "zsh" else script)
    if args.shell == "bash":
        print(_BASH_END)
    return 0


def _teach(parser: argparse.ArgumentParser, file: Mapping[str, object], folder: Mapping[str, object]) -> None:
    """Tells shtab what each option takes."""
    for action in parser._actions:  # noqa: SLF001 - argparse shows its actions nowhere else
        for each in _sub_commands(action):
            each.description = None  # a menu has room for the short help
            _teach(each, file, folder)
        taken: Mapping[str, object] | None = None
        if action.metavar in _FOLDERS:
            taken = folder
        elif action.metavar in _FILES or action.type is Path:
            taken = file
        elif _TAKES_JOBS & {*action.option_strings, action.metavar}:
            taken = _NAMES
        elif action.dest == "command":
            taken = _COMMAND
        if taken is not None:
            action.complete = taken  # type: ignore[attr-defined]


def _sub_commands(action: argparse.Action) -> "Iterable[argparse.ArgumentParser]":
    return (
        cast("dict[str, argparse.ArgumentParser]", action.choices).values() if action.nargs == argparse.PARSER else ()
    )


def _names(args: argparse.Namespace) -> Iterator[str]:
    """Yields the names of the jobs in the history as it is; nothing is said of a broken one while words are typed."""
    with suppress(JobMeasureError, OSError):
        from otel_job_measure.history.jobs import jobs_of  # noqa: PLC0415 - not for scripts
        from otel_job_measure.history.wanted import ALL  # noqa: PLC0415 - the same
        from otel_job_measure.runtime.history_reader import history_of  # noqa: PLC0415 - it imports SQLite

        history = history_of(options.local_settings(args))
        found = history.read(lambda connection: jobs_of(connection, ALL), patience_s=_PATIENCE_S) or {}
        names = {job.job for job in found.values()}
        yield from [name for name in sorted(names) if name.isprintable() and len(name) <= _MOST_NAME][:_MOST_NAMES]
