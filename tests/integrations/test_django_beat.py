"""Beat with a schedule in a database (django-celery-beat)."""

import json
import subprocess
import sys
from pathlib import Path


def test_a_schedule_in_a_database_is_followed(tmp_path: Path) -> None:
    """An entry that is disabled is due no more, and one that is changed is due at its new times."""
    program = [sys.executable, "-m", "tests.integrations.django_beat", str(tmp_path)]
    said = subprocess.run(program, check=True, capture_output=True, text=True, timeout=300).stdout
    first, disabled, changed = (json.loads(said)[place] for place in range(3))
    assert (first["tasks.nightly"], disabled["tasks.nightly"], changed["tasks.nightly"]) == ([10], [], [40])
    assert len(first["tasks.hourly"]) == 1
    assert first["tasks.hourly"] == disabled["tasks.hourly"] == changed["tasks.hourly"]
