"""The table of ``make bench``, with as many runs as its page says; what ``make regression`` expects."""

import subprocess
import sys

from remake.place import Job, Jobs, Place

OPTIONS = ("--repeats", "2", "--inner-steps", "10")


def jobs() -> Jobs:
    return [Job("benchmarks", make), Job("regression", record)]


def make(place: Place) -> str:
    """Run the benchmarks in a process of their own, so that nothing else counts as their time.

    Raises:
        CalledProcessError: they failed.
    """
    subprocess.run([sys.executable, "-m", "benchmarks", *OPTIONS], cwd=place.root, check=True)
    return "docs/benchmarks.md, benchmarks/results.json"


def record(place: Place) -> str:
    """Record what edits of the small fixed set are like, and what they may differ by.

    Raises:
        CalledProcessError: one failed.
    """
    subprocess.run([sys.executable, "-m", "benchmarks.regression", "--record"], cwd=place.root, check=True)
    return "benchmarks/regression/expected.json"
