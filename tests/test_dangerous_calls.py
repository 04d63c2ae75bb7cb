"""The package has no call that runs a text from outside, turns TLS off, or hands a descriptor to other programs."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

PACKAGE: Final = Path(__file__).parents[1] / "otel_job_measure"
TREES: Final = {
    file.relative_to(PACKAGE).as_posix(): ast.parse(file.read_text()) for file in sorted(PACKAGE.rglob("*.py"))
}
# The modules that can build any object of any class from bytes, and calls that run a text as a program.
MODULES: Final = {"pickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle", "yaml", "code", "pty"}
BUILTINS: Final = {"eval", "exec", "compile", "__import__", "input", "breakpoint"}
OF_OS: Final = {
    "system",
    "popen",
    "spawnl",
    "spawnle",
    "spawnlp",
    "spawnlpe",
    "spawnv",
    "spawnve",
    "spawnvp",
    "spawnvpe",
    "execl",
    "execle",
    "execlp",
    "execlpe",
    "execv",
    "execvp",
    "posix_spawn",
    "posix_spawnp",
    "startfile",
    "set_inheritable",
    "openpty",
}
NAMES: Final = {
    "getoutput",
    "getstatusoutput",
    "mktemp",
    "create_subprocess_shell",
    "_create_unverified_context",
    "CERT_NONE",
    "CERT_OPTIONAL",
    "assert_hostname",
    "disable_warnings",
}
# An argument with one of these values is as bad.
ARGUMENTS: Final = {
    ("shell", True),
    ("inheritable", True),
    ("close_fds", False),
    ("verify", False),
    ("verify_ssl", False),
    ("check_hostname", False),
    ("cert_reqs", "CERT_NONE"),
}
PROGRAMS: Final = {
    ("__main__.py", "execvpe"): "the command of `exec`, if the package is missing or broken",
    ("__main__.py", "execve"): "the same, if it is a script without a first line; its words are arguments of the shell",
    ("cli/exec/spawn.py", "execve"): "the command of `exec`",
    ("cli/demo.py", "run"): "the demo's own jobs",
    ("runtime/crontabs.py", "run"): "`crontab -l`, the user's own crontab",
    ("insight/notify/command.py", "Popen"): "a command that the user has named for notifications",
}
"""Where programs are started, and why."""
PICKLES: Final = {
    "integrations/process_pools.py",  # a pool's child gets the `JobMeasure` with the pickled job or call
}
COMPUTED_IMPORTS: Final = {
    "__init__.py",  # its public names
    "cli/demo.py",  # a scheduler, which is optional
    "delivery/otlp/grpc_client.py",
    "delivery/server_sink.py",
    "expectations/dialects.py",  # the library of a dialect
    "integrations/apscheduler.py",  # parts of its library, which is optional
    "integrations/apscheduler_dues.py",
    "integrations/apscheduler_task.py",
    "integrations/celery.py",
    "integrations/celery_main.py",
    "integrations/celery_task.py",
    "integrations/instrumentors.py",  # the adapters
    "integrations/rq_job.py",
}
"""Files that import from a list of their own."""
PLAIN_LOGGERS: Final = {
    "__init__.py",  # before anything can be imported; it logs the names of variables
    "cli/doctor.py",  # collects what the package logs
    "cli/exec/span.py",  # the loggers of other libraries
    "spans/guard.py",  # wrapped at each use
    "web/server.py",  # the server's logger
    "spans/recorder.py",  # asked for its level, which is quicker
}
STANDARD_STREAMS: Final = {"cli/__init__.py": 1, "cli/exec/output.py": 2}
"""How often a file puts a descriptor in the place of a standard stream, which programs are meant to get."""


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Yields each call with its dotted name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_nothing_runs_a_text_or_builds_objects_from_bytes() -> None:
    """No shell, no pickle, no eval; no module of theirs is imported, under whatever name."""
    for file, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                loaded = {alias.name.partition(".")[0] for alias in node.names}
                assert not MODULES & loaded or file in PICKLES, (file, node.lineno)
            elif isinstance(node, ast.ImportFrom):
                module, names = (node.module or "").partition(".")[0], {alias.name for alias in node.names}
                assert not {module} & MODULES, (file, node.lineno)
                assert not names & (NAMES | OF_OS if module == "os" else NAMES), (file, node.lineno)
            elif isinstance(node, ast.Attribute):
                is_of_os = isinstance(node.value, ast.Name) and node.value.id == "os"
                assert node.attr not in (NAMES | OF_OS if is_of_os else NAMES), (file, node.lineno)
            elif isinstance(node, ast.Name):
                assert node.id not in BUILTINS | NAMES, (file, node.lineno)


def test_no_argument_turns_a_protection_off() -> None:
    """Certificates and names of servers are checked, and no program inherits a descriptor."""
    for file, tree in TREES.items():
        for name, call in calls(tree):
            for word in call.keywords:
                value = word.value.value if isinstance(word.value, ast.Constant) else None
                assert (word.arg, value) not in ARGUMENTS, (file, name, call.lineno)
                assert word.arg not in {"pass_fds", "preexec_fn"}, (file, name, call.lineno)
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
                value = node.value.value if isinstance(node.value, ast.Constant) else None
                assert (node.targets[0].attr, value) not in ARGUMENTS, (file, node.lineno)


def test_only_the_command_of_exec_and_the_demos_jobs_are_started() -> None:
    """Each with its own words, never through a shell that reads a text."""
    found = {
        (file, name.rpartition(".")[2])
        for file, tree in TREES.items()
        for name, _ in calls(tree)
        if name.startswith(("os.exec", "subprocess."))
    }
    assert found == PROGRAMS.keys()


def test_imports_have_names_of_the_package() -> None:
    """No module is imported whose name comes from outside."""
    found = {file for file, tree in TREES.items() for name, _ in calls(tree) if name.endswith("import_module")}
    assert found == COMPUTED_IMPORTS


def test_only_standard_streams_are_inherited() -> None:
    """Python closes each new descriptor at the start of another program; `os.dup2` alone does not, unless told."""
    found: dict[str, int] = {}
    for file, tree in TREES.items():
        for name, call in calls(tree):
            if name == "os.dup2" and not any(word.arg == "inheritable" for word in call.keywords):
                found[file] = found.get(file, 0) + 1
            assert "F_DUPFD" not in ast.unparse(call).replace("F_DUPFD_CLOEXEC", ""), (file, call.lineno)
            assert name != "os.open" or "O_CLOEXEC" in flags_of(call, tree), (file, call.lineno)
    assert found == STANDARD_STREAMS


def flags_of(call: ast.Call, tree: ast.AST) -> str:
    """Returns the flags of an `os.open`, with what the constants among them stand for."""
    names = {node.id for node in ast.walk(call.args[1]) if isinstance(node, ast.Name)}
    constants = [
        ast.unparse(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and {ast.unparse(target) for target in node.targets} & names
    ]
    return " ".join([ast.unparse(call.args[1]), *constants])


def test_each_logger_shows_text_printable() -> None:
    """Paths, names and errors can have what a terminal acts on."""
    for file, tree in TREES.items():
        wrapped = {
            id(argument)
            for name, call in calls(tree)
            if name in {"PrintableLog", "RateLimitedLog"}
            for argument in call.args
        }
        for name, call in calls(tree):
            assert name != "logging.getLogger" or id(call) in wrapped or file in PLAIN_LOGGERS, (file, call.lineno)


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from os import system",
        "import os; os.popen('x')",
        "eval('1')",
        "import subprocess; subprocess.run('x', shell=True)",
        "import os; os.open('x', os.O_RDONLY)",
        "import os; os.dup2(1, 2)",
        "import ssl; context.verify_mode = ssl.CERT_NONE",
        "context.check_hostname = False",
        "import subprocess; subprocess.Popen(['x'], pass_fds=[1])",
        "import importlib; importlib.import_module(x)",
        "log = logging.getLogger(x)",
    ],
)
def test_each_of_them_would_be_found(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests above fail for a file that has one."""
    monkeypatch.setitem(TREES, "new.py", ast.parse(code))
    failed = 0
    for test in (
        test_nothing_runs_a_text_or_builds_objects_from_bytes,
        test_no_argument_turns_a_protection_off,
        test_only_the_command_of_exec_and_the_demos_jobs_are_started,
        test_imports_have_names_of_the_package,
        test_only_standard_streams_are_inherited,
        test_each_logger_shows_text_printable,
    ):
        try:
            test()
        except AssertionError:
            failed += 1
    assert failed
