#!python
"""Starts the command line: as `python -m otel_job_measure`, and as the second half of the installed script.

It is also installed beside that script, as `otel-job-measure-python`. There it runs apart from the package: it finds
the package, and it runs the command of `exec` even if the package is missing or broken. So it first imports only `os`
and `sys`. docs/decisions/0011-launcher.md has the reasons.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Sequence
else:
    import _signal as signal  # the part of `signal` that needs no file of the standard library

VALUES = (
    *("--env-file", "--keep-output", "--kill-after", "--timeout"),
    *("--schedule", "--dialect", "--timezone", "--every", "--grace", "--max-runtime", "--min-runtime"),
    *("--min-interval", "--max-age", "--failures", "--scope"),
)
"""The options of `exec` that can have their value in the next word."""
_DIGITS = 100_000  # of a variable: the system takes 128 KiB
_ROOM = 65_536
_BYTECODE = 64 * 1024 * 1024  # bytes of free disk, more than all modules of a process need
_MOST_LINE = 4000  # characters
_RESERVE = 1024 * 1024  # bytes for the last resort, if memory runs out
_PACKAGE = "otel_job_measure"
_TRIES = "_OTEL_JOB_MEASURE_TRIES"
_PIECE = "_OTEL_JOB_MEASURE_%d_%d"
_KNOWN = "."
_OURS = b"_OTEL_JOB_MEASURE_%d_" % os.getpid()


class Given:
    """The command of `exec`, and what it would find without us: its environment, and the signals that it ignores."""

    def __init__(self, words: "Sequence[str]") -> None:
        self.command = [os.fsencode(word) for word in words]
        self.environment = dict(os.environb)
        self.ignored: frozenset[int] = frozenset()
        self.mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())

    def read(self) -> None:
        """Reads what the command would find."""
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # it ends us as it would end the command
        found = self._handed_over()
        if found is None:
            found = _parsed(_read("/proc/self/environ")) or dict(os.environb)
        self.environment = {name: value for name, value in found.items() if not name.startswith(_OURS)}

    def _handed_over(self) -> dict[bytes, bytes] | None:
        """Returns the environment that the script has handed over, if it has: a shell changes its own."""
        pieces: list[str] = []
        while (piece := os.environ.pop(_PIECE % (os.getpid(), len(pieces)), None)) is not None:
            pieces.append(piece)
        if pieces:
            mask = int(pieces[0], 16)
            self.ignored = frozenset(number for number in range(1, 65) if mask >> number - 1 & 1)
        if len(pieces) < 2:  # noqa: PLR2004 - the first has the signals
            return None
        environment = _parsed(bytes.fromhex("".join(pieces[1:]).removeprefix(_KNOWN)))
        for name in os.environb.keys() - environment.keys():
            del os.environb[name]
        os.environb.update(environment)
        return environment

    def replace_us(self) -> int:
        """Becomes the command; returns a shell's exit code if that cannot be."""
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD):  # Python or `exec` has changed them
            signal.signal(number, signal.SIG_IGN if number in self.ignored else signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)
        try:
            os.execvpe(self.command[0], self.command, self.environment)  # noqa: S606 - without a shell
        except OSError as error:
            if error.errno == 8:  # noqa: PLR2004 - ENOEXEC, which a shell runs by itself
                os.execve("/bin/sh", [b"sh", b"-c", b'exec "$0" "$@"', *self.command], self.environment)  # noqa: S606
            _complain(f"{os.fsdecode(self.command[0])}: {error.strerror}")
            return 127 if error.errno == 2 else 126  # noqa: PLR2004 - ENOENT


def command_of(words: "Sequence[str]") -> "Sequence[str]":
    """Returns the command that `exec` should run; none for another command of ours, or for wrong usage."""
    rest = [*words[1:]] if words[:1] == ["exec"] else []
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option in {"--", "-h", "--help"} or (option in VALUES and (not rest or rest.pop(0) == "--")):
            return []
    command = rest[2:] if rest[1:2] == ["--"] else rest[1:]
    return [] if command[:1] and command[0].startswith("-") else command


def find_package() -> None:
    """Extends `sys.path` until the package is found: by what a Python of its own has, then by what users install."""
    import site  # noqa: PLC0415 - `-S` has left it out

    shown = sys.stdout, sys.stderr
    sys.stdout = sys.stderr = None  # the output belongs to the command
    customize, site.execsitecustomize = site.execsitecustomize, lambda: None
    beside = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    ways: list[Callable[[], object]] = [
        site.main,
        lambda: site.addsitedir(beside),  # of pip install --target
        lambda: site.addsitedir(
            f"{beside}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
        ),  # --user, --prefix
        lambda: sys.path.extend(filter(os.path.isabs, os.environ.get("PYTHONPATH", "").split(os.pathsep))),
        customize,
    ]
    if not sys.flags.no_site:
        del ways[0]
    while not _is_found() and ways:
        try:
            ways.pop(0)()
        except BaseException:  # noqa: BLE001, S112 - a `.pth` file can raise anything
            continue
    sys.stdout, sys.stderr = shown


def start(words: "Sequence[str]") -> int:
    """Runs a command of ours. If it fails before the command of `exec` is started, that one takes our place."""
    given = Given(command_of(words))
    reserve = bytearray(_RESERVE if given.command else 0)
    usage: type[BaseException] = SystemExit
    try:
        if given.command:
            given.read()
        find_package()
        from otel_job_measure import cli  # noqa: PLC0415 - may be broken

        usage = cli.WrongUsage
        return cli.main(words, given.environment, given.ignored)
    except BaseException as error:
        if not given.command or (usage is not SystemExit and isinstance(error, usage)):
            raise
        del reserve
        _complain(f"{type(error).__name__}: ", error, "; the command runs and is not measured")
    return given.replace_us()


def has_room() -> bool:
    """Returns whether bytecode can be written whole: Python would keep a file that is cut short, and fail on it."""
    try:
        import resource  # noqa: PLC0415 - a Python may lack it

        is_limited = resource.getrlimit(resource.RLIMIT_FSIZE)[0] != resource.RLIM_INFINITY
        disk = os.statvfs(sys.prefix)
    except (ImportError, OSError):
        return True
    return not is_limited and disk.f_bavail * disk.f_frsize >= _BYTECODE


def try_out(pid: str) -> None:
    """Tells the installed script that this interpreter starts, which signals it ignores, and its environment."""
    bytearray(4 * _RESERVE)  # raises if there is too little memory to go on
    ignored = _read(f"/proc/{pid}/status").partition(b"\nSigIgn:")[2].split()
    block = _read(f"/proc/{pid}/environ")
    digits = _KNOWN + block.hex() if ignored and 3 * len(block) + _ROOM < os.sysconf("SC_ARG_MAX") else ""
    pieces = [digits[at : at + _DIGITS] for at in range(0, len(digits), _DIGITS)]
    print(ignored[0].decode() if ignored else "0", *pieces, "starts")  # noqa: T201 - to the script


def _is_found() -> bool:
    return any(finder.find_spec(_PACKAGE, None) is not None for finder in sys.meta_path)


def _parsed(block: bytes) -> dict[bytes, bytes]:
    """Returns the environment that a process was started with; Python adds LC_CTYPE to its own under cron's locale."""
    environment: dict[bytes, bytes] = {}
    for entry in block.split(b"\0"):
        name, equals, value = entry.partition(b"=")
        if name and equals:  # Python hands on no others
            environment.setdefault(name, value)  # of two with one name, getenv sees the first
    return environment


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _complain(*parts: object) -> None:
    """Writes one line to stderr; whatever prevents that, the command comes first."""
    try:
        line = "; ".join("".join(map(str, parts))[:_MOST_LINE].split("\n"))
        shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)
        os.write(2, f"otel-job-measure: {shown}\n".encode())
    except BaseException:  # noqa: BLE001, S110 - the message of an exception can raise anything
        pass


if __name__ == "__main__":
    sys.dont_write_bytecode = sys.dont_write_bytecode or not has_room()
    if len(sys.argv) == 1 and _TRIES in os.environ:
        try_out(os.environ[_TRIES])
    elif sys.argv[1:2] == ["exec"]:
        os._exit(start(sys.argv[1:]))  # nothing at the exit of Python may change the exit code
    else:
        sys.exit(start(sys.argv[1:]))
