"""The page on an address of this machine."""

import os
import socket
from typing import TYPE_CHECKING

import gradio as gr
from gradio.http_server import INITIAL_PORT_VALUE as FIRST_PORT
from gradio.http_server import TRY_NUM_PORTS as PORTS

from zeroshift.editor import Editor
from zeroshift.ui import gate
from zeroshift.ui.desk import MOST_FILE, Host
from zeroshift.ui.homes import of_process
from zeroshift.ui.kept import Kept
from zeroshift.ui.look import look
from zeroshift.ui.page import blocks
from zeroshift.ui.photographs import EXAMPLES
from zeroshift.ui.students import Offered

if TYPE_CHECKING:
    from fastapi import FastAPI

THIS_MACHINE = "127.0.0.1"


def serve(
    editor: Editor,
    model: str | None = None,
    *,
    student: Offered | None = None,
    port: int | None = None,
    browser: bool = False,
) -> gr.Blocks:
    """Serve the page from this process to this machine alone, and return it; the process goes on.

    Its ``local_url`` is the address, its ``close()`` ends it and deletes what was brought and Gradio's copies of what
    was shown; what was made goes with the process.

    Args:
        editor: edits.
        model: what it was loaded from; None is the shipped model.
        student: a small network that stands among the methods.
        port: where; None takes the first free one from 7860 on.
        browser: whether to open it.

    Raises:
        OSError: the port is taken, or files cannot be written; its number says which.
    """
    check_port(port)
    page, kept = prepared(editor, model, student)
    page.launch(
        server_name=THIS_MACHINE,
        server_port=port,
        inbrowser=browser,
        quiet=True,
        share=False,
        enable_monitoring=False,
        ssr_mode=False,
        prevent_thread_lock=True,
        max_file_size=MOST_FILE,
        allowed_paths=[str(EXAMPLES)],
        state_session_capacity=page.state_session_capacity,
        app_kwargs={"middleware": gate.alone(kept)},
        **look(),
    )
    return page


def check_port(port: int | None) -> None:
    """See that a port is free, or one that Gradio tries by itself: it says of none why it is not.

    Raises:
        OSError: it is not.
    """
    for last, one in enumerate([port] if port is not None else range(FIRST_PORT, FIRST_PORT + PORTS), 1):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((THIS_MACHINE, one))
                return
            except OSError:
                if port is not None or last == PORTS:
                    raise


def mount(
    app: "FastAPI",
    editor: Editor,
    path: str,
    model: str | None = None,
    *,
    student: Offered | None = None,
    host: Host | None = None,
) -> None:
    """Mount the page on an application at ``path``; who may reach it is that application's matter.

    Args:
        app: has further addresses.
        editor: edits.
        path: as in "/edit".
        model: what the editor was loaded from; None is the shipped model.
        student: a small network that stands among the methods.
        host: what the application tells the page: its turns on the editor's device, and which photographs are read.
    """
    page, kept = prepared(editor, model, student, host)
    gr.mount_gradio_app(
        app,
        page,
        path,
        ssr_mode=False,
        enable_monitoring=False,
        max_file_size=MOST_FILE,
        allowed_paths=[str(EXAMPLES)],
        app_kwargs={"middleware": gate.behind(kept)},
        **look(),
    )


def prepared(
    editor: Editor, model: str | None, student: Offered | None = None, host: Host | None = None
) -> tuple[gr.Blocks, Kept]:
    """The page, and where its files lie: in a folder that goes with the process, not where Gradio leaves them."""
    kept = of_process()
    os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": str(kept.copies)}
    page = blocks(editor, model, student, host=host, kept=kept)
    page.queue(default_concurrency_limit=4, max_size=64)
    return page, kept
