"""``zeroshift serve``: what is refused, and a service that begins and ends."""

import os
import signal
import socket
import subprocess
import sys
import time

import httpx2
import pytest

from tests.shell import call, photograph, refused


@pytest.mark.parametrize(
    ("tokens", "code", "says"),
    [
        (["--host", "0.0.0.0"], 1, "there is no key"),
        (["--also", "x"], 2, "NAME=VALUE"),
        (["--direction", "x=nowhere.safetensors"], 1, "no edit direction"),
        (["--student", "x"], 2, "NAME=VALUE"),
        (["--api-keys", "nowhere"], 2, "cannot be read"),
        (["--port", "70000"], 2, "65535"),
        (["--batch", "0"], 2, "--batch"),
        (["--queue-megabytes", "100"], 2, "give 520 or more"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_is_refused_before_a_model_loads(capsys, monkeypatch, tokens, code, says):
    monkeypatch.delenv("ZEROSHIFT_API_KEY", raising=False)
    refused(call(capsys, "serve", *tokens), code, says)


def test_short_and_missing_keys(capsys, tmp_path):
    keys = tmp_path / "keys.txt"
    keys.write_text("\n")
    refused(call(capsys, "serve", "--api-keys", keys), 2, "has none")
    keys.write_text("short\n")
    refused(call(capsys, "serve", "--api-keys", keys), 1, "16 ASCII characters")


def test_an_address_that_is_taken(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused(call(capsys, "serve", "--port", taken.getsockname()[1]), 1, "Nothing can listen", "--port")


@pytest.mark.slow
def test_a_service_from_the_command_line(checkpoint, student_folder, tmp_path):
    """It says where it is, edits with a key, logs lines of JSON, has the page, and ends with 0 when it is told to."""
    key, picture = "k" * 20, photograph(tmp_path / "photo.png")
    tokens = [
        sys.executable,
        "-m",
        "zeroshift",
        "serve",
        "--port",
        "0",
        "--model",
        checkpoint,
        "--name",
        "tiny",
        "--ui",
    ]
    also = ["--also", f"other={checkpoint}", "--student", f"quick={student_folder}"]
    with subprocess.Popen(
        [*tokens, *also], stderr=subprocess.PIPE, text=True, env={**os.environ, "ZEROSHIFT_API_KEY": key}
    ) as process:
        first = process.stderr.readline()
        url = first.split(" at ")[1].strip().removesuffix("/ui")
        with httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
            assert [one["id"] for one in client.get("/v1/models").json()["data"]] == ["tiny", "other", "quick"]
            asked = {"prompt": "cat -> dog", "model": "other", "method": "sdedit", "options": '{"steps": 2}'}
            made = client.post("/v1/images/edits", files={"image": picture.read_bytes()}, data=asked)
            assert made.status_code == 200, made.text
            asked = {"prompt": "cat -> dog", "model": "quick"}
            assert client.post("/v1/images/edits", files={"image": picture.read_bytes()}, data=asked).status_code == 200
            shown = client.get("/ui/").text
            assert "zeroshift" in shown and '"student"' in shown  # among the methods
        assert httpx2.get(f"{url}/ui/").headers["www-authenticate"].startswith("Basic")
        with httpx2.stream("GET", f"{url}/ui/gradio_api/heartbeat/mine", auth=("me", key), timeout=60) as listening:
            assert listening.status_code == 200  # a page that is open does not hold the end up
            process.send_signal(signal.SIGTERM)
            begun = time.monotonic()
            log = process.stderr.read()
        assert time.monotonic() - begun < 15
    assert process.returncode == 0, log
    assert '"route": "/v1/images/edits", "status": 200' in log and key not in log
