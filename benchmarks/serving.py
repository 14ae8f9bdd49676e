"""A service in a process of its own, on an address of this machine, for as long as it is measured."""

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

ADDRESS = re.compile(r"at (http://127\.0\.0\.1:\d+)")


@contextmanager
def serving(options: Sequence[str], log: Path) -> Iterator[str]:
    """The address of ``zeroshift serve`` with the shipped model; its log is written to a file.

    Raises:
        RuntimeError: it ended before it served, or did not end well.
    """
    tokens = [sys.executable, "-m", "zeroshift", "serve", "--port", "0", *options]
    with subprocess.Popen(tokens, stderr=subprocess.PIPE, text=True) as process, log.open("w") as file:
        assert process.stderr is not None
        first = process.stderr.readline()
        found = ADDRESS.search(first)
        if found is None:
            raise RuntimeError(f"The service did not begin: {first}{process.stderr.read()}")
        copying = Thread(target=lambda: file.writelines(process.stderr or ()))
        copying.start()
        try:
            yield found[1]
        finally:
            process.terminate()
            process.wait(60)
            copying.join()
    if process.returncode:
        raise RuntimeError(f"The service ended with {process.returncode}; see {log}.")
