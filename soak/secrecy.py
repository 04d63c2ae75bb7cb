"""A look at everything that a scenario's processes leave and show: no token is in it."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from soak.ground import Ground


def keeps_secret(ground: Ground, *secrets: str) -> None:
    """Notes as broken each file, log and process that shows a secret, and each file that others can read.

    All processes of these scenarios log at DEBUG to a file of the ground's.

    Args:
        ground: Where.
        secrets: Tokens and passwords.
    """
    for path in sorted(ground.folder.rglob("*")):
        with suppress(OSError):
            if path.is_file() and not path.is_symlink() and any(text.encode() in path.read_bytes() for text in secrets):
                ground.expect(holds=False, words=f"a secret is in {path}")
    for words in _command_lines():
        ground.expect(
            not any(text.encode() in words for text in secrets), f"a secret is in the process list: {words!r}"
        )
    for path in _ours(ground.state_dir):
        open_to_others = path.lstat().st_mode & 0o077
        ground.expect(not open_to_others, f"{path} can be seen by others")


def _command_lines() -> Iterator[bytes]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield path.read_bytes()


def _ours(folder: Path) -> Iterator[Path]:
    with suppress(OSError):
        yield from (path for path in [folder, *folder.rglob("*")] if path.exists())
