"""``zeroshift ui`` as a process of its own."""

import errno
import os
import signal
import socket
import subprocess
import sys

import pytest

from zeroshift.cli.ui import unheard

pytest.importorskip("gradio", reason="Gradio is not installed; install zeroshift[ui].")


@pytest.mark.parametrize(
    ("error", "port", "says"),
    [
        (OSError(errno.EADDRINUSE, "Address already in use"), 7860, "at port 7860: other programs do"),
        (OSError(errno.EADDRINUSE, "Address already in use"), None, "at any port from 7860 on: other programs do"),
        (PermissionError(errno.EACCES, "Permission denied"), 80, "may not listen at port 80 (Permission denied)"),
        (OSError(errno.ENOSPC, "No space left on device"), None, "no place for its files (No space left on device)"),
        (FileNotFoundError(errno.ENOENT, "No usable temporary directory"), 7860, "set TMPDIR to another folder"),
        (OSError(errno.EMFILE, "Too many open files"), 7860, "(Too many open files); see what keeps it"),
        (OSError("Gradio's own"), 7860, "(Gradio's own); see what keeps it"),
    ],
    ids=range(7),
)
def test_why_there_is_no_page_is_said(error, port, says):
    """Other programs have the port only where the system says so."""
    told = unheard(error, port)
    assert says in told and ("other programs" in told) == (error.errno == errno.EADDRINUSE)


def test_a_port_is_looked_at_before_gradio_which_does_not_say_why(monkeypatch):
    from zeroshift.ui.serving import check_port

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use") as told:
        check_port(taken.getsockname()[1])
    assert told.value.errno == errno.EADDRINUSE
    check_port(None)

    def refused(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("socket.socket.bind", refused)
    for port in (80, None):
        with pytest.raises(PermissionError):
            check_port(port)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_deletes_what_was_brought(checkpoint, tmp_path, stop):
    """Photographs lie in a folder beside others' temporary ones as long as the page is there, and no longer."""
    with subprocess.Popen(
        [sys.executable, "-m", "zeroshift", "ui", "--model", checkpoint],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as process:
        assert " is the page" in process.stdout.readline()
        assert list(tmp_path.glob("zeroshift-page-*"))
        process.send_signal(stop)
    assert process.returncode == 0
    assert not list(tmp_path.glob("zeroshift-*"))
