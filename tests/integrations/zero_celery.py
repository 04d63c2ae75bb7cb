"""An app of Celery that knows nothing of this package."""

import os
from importlib import import_module
from pathlib import Path
from typing import Any

app: Any = import_module("celery").Celery("zero", broker=os.environ.get("BROKER", "memory://"))


@app.task(name="nightly")  # type: ignore[untyped-decorator]  # Celery has no types
def nightly(file: str) -> None:
    """Says that it ran."""
    Path(file).write_text("done", encoding="ascii")
