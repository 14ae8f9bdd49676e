"""The page of a tiny model twice in a process of its own: with its own server, and mounted on a service.

``python -m tests.page_gate_server FILE CHECKPOINT`` prints both addresses; the file gets a line for each
connection that leaves.
"""

import asyncio
import socket
import sys
from pathlib import Path

import torch

import zeroshift
from tests.page_server import watched
from zeroshift.service.app import create, guarded
from zeroshift.service.limits import Limits
from zeroshift.service.offer import Offer
from zeroshift.service.server import listen, serve, server_of
from zeroshift.ui import mount
from zeroshift.ui import serve as serve_page


def main() -> None:
    watched(Path(sys.argv[1]))
    torch.set_num_threads(1)
    editor = zeroshift.load(sys.argv[2], device="cpu", precision="fp32")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    print(serve_page(editor, port=port).local_url, flush=True)
    app = create(Offer({"tiny": editor}), Limits())
    mount(app, editor, "/ui")
    with listen("127.0.0.1", 0) as where:
        print(f"http://127.0.0.1:{where.getsockname()[1]}/ui/", flush=True)
        asyncio.run(serve(server_of(guarded(app), 1), app.state.service.desk, where))


if __name__ == "__main__":
    main()
