"""`alone.py FILE COMMAND …` runs a command, and writes into the file how long it took and how much memory it had.

Linux counts for a process what it had before it became another program, too: a child of the benchmark's own process
would have at least as much as that.
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    """Runs the command."""
    began_s = time.perf_counter()
    done = subprocess.run(sys.argv[2:], check=False)
    took_s = time.perf_counter() - began_s
    peak_bytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    Path(sys.argv[1]).write_text(json.dumps({"code": done.returncode, "took_s": took_s, "peak_bytes": peak_bytes}))


if __name__ == "__main__":
    main()
