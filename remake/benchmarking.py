"""The table of ``make bench``, with as many runs and iterations as the README says."""

import subprocess
import sys

from remake.place import Job, Jobs, Place

OPTIONS = ("--repeats", "2", "--inner-steps", "10")


def jobs() -> Jobs:
    return [Job("benchmarks", make)]


def make(place: Place) -> str:
    """Run the benchmarks in a process of their own, so that nothing else counts as their time.

    Raises:
        CalledProcessError: they failed.
    """
    subprocess.run([sys.executable, "-m", "benchmarks", *OPTIONS], cwd=place.root, check=True)
    return "docs/benchmarks.md, benchmarks/results.json"
