"""Run a command; print what it said, how long it took, and the most memory that it held, as one JSON object.

A process of its own and a small one: the system counts the memory of a child from that of the process that starts it.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence

UNIT = 1 if sys.platform == "darwin" else 1024
"""bytes that the system counts memory in"""


def main(command: Sequence[str]) -> int:
    """Run a command, its errors going where ours go; return its exit code."""
    begun = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * UNIT
    print(json.dumps({"said": done.stdout, "seconds": seconds, "peak_bytes": peak}))
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
