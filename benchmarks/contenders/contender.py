"""What is compared: one way to measure a job, ready to run that job again and again."""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

JOB: Final = "nightly"
TAGS: Final[dict[str, Any]] = {"datacenter": "eu-1", "project": "billing", "stage": "production"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Where a contender keeps and sends what it measures.

    Args:
        folder: A folder of its own.
        url: The server; None for a contender that needs none.
        token: The token for writing there.
        org: The server's organization.
        bucket: The server's bucket.
    """

    folder: Path
    url: str | None = None
    token: str = "a-token"  # noqa: S105 - stubs take any
    org: str = "org"
    bucket: str = "bucket"

    def as_object(self) -> dict[str, Any]:
        """Returns what JSON can carry to another process."""
        return asdict(self) | {"folder": str(self.folder)}

    @classmethod
    def from_object(cls, given: Mapping[str, Any]) -> "Where":
        """Reads what `as_object` returned."""
        folder, *others = (given[name] for name in ("folder", "url", "token", "org", "bucket"))
        url, token, org, bucket = others
        return cls(folder=Path(folder), url=url, token=token, org=org, bucket=bucket)

    @property
    def server(self) -> str:
        """Returns the server's address.

        Raises:
            ValueError: This contender needs one and there is none.
        """
        if self.url is None:
            raise ValueError("this contender needs a server")
        return self.url


class Contender(Protocol):
    """One way to measure a job."""

    def run(self) -> object:
        """Runs the job once, measured; this call is timed."""
        ...

    def settle(self) -> None:
        """Sends what is on its way; this call is not timed."""
        ...

    def close(self) -> None:
        """Ends it as its makers want it ended."""
        ...


@runtime_checkable
class AsyncContender(Protocol):
    """One way to measure an asynchronous job."""

    def run_async(self) -> Coroutine[Any, Any, object]:
        """Makes a coroutine that runs the job once, measured."""
        ...


def job() -> int:
    """Does next to nothing, so that what is timed is the measuring."""
    return 42


async def async_job() -> int:
    """Does next to nothing, and waits once for its event loop."""
    await asyncio.sleep(0)
    return 42
