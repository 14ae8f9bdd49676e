"""The page in a process of its own, for a browser: edits take four steps, and every address that is called is noted.

``python -m tests.page_server FILE`` prints the page's address; the file gets a line for each connection that leaves.
"""

import socket
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

import zeroshift
from tests.tiny_student import tiny_student
from zeroshift.methods import METHODS
from zeroshift.ui import serve
from zeroshift.ui.students import offered

STEPS = 4


def watched(log: Path) -> None:
    """Note connections and look-ups of anything but this machine."""

    def note(event: str, given: tuple[object, ...]) -> None:
        if event == "socket.connect":
            _, address = given
            if isinstance(address, tuple) and not str(address[0]).startswith(("127.", "::1")):
                log.open("a").write(f"connect {address}\n")
        if event == "socket.getaddrinfo" and given[0] not in ("127.0.0.1", "localhost", "0.0.0.0", None, ""):
            log.open("a").write(f"look up {given[0]!r}\n")

    sys.addaudithook(note)


def main() -> None:
    watched(Path(sys.argv[1]))
    torch.set_num_threads(1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    editor = zeroshift.load(device="cpu")
    few = {method.name: {**editor.presets.get(method.name, {}), "steps": STEPS} for method in METHODS}
    few["sdedit"] = {**few["sdedit"], "steps": 40}  # long enough to be stopped
    student = offered(str(tiny_student(Path(sys.argv[1]).parent / "student")))
    print(serve(replace(editor, presets=few), student=student, port=port).local_url, flush=True)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
