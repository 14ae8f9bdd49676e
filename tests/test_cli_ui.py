"""``zeroshift ui`` as a process of its own."""

import os
import signal
import subprocess
import sys

import pytest

pytest.importorskip("gradio", reason="Gradio is not installed; install zeroshift[ui].")


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
