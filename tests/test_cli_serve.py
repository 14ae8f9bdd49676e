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
from zeroshift.cli.serve import keys_in
from zeroshift.cli.serve_limits import LimitFlags
from zeroshift.service.limits import RANGES, Limits


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
        (["--queue-megabytes", "100"], 2, "give 401 or more"),
        (["--queue-megabytes", "inf"], 2, "--queue-megabytes takes a number from 1 to 10000000, not 'inf'"),
        (["--max-megabytes", "inf"], 2, "--max-megabytes takes a number from 0.001 to 100000, not 'inf'"),
        (["--max-megapixels", "nan"], 2, "--max-megapixels takes a number from 0.001 to 10000, not 'nan'"),
        (["--deadline", "inf"], 2, "--deadline takes a number from 0.1 to 86400, not 'inf'"),
        (["--deadline", "1e300"], 2, "--deadline takes a number from 0.1 to 86400, not '1e300'"),
        (["--upload-time", "nan"], 2, "--upload-time takes a number from 0.1 to 86400, not 'nan'"),
        (["--grace", "inf"], 2, "--grace takes a number from 0 to 86400, not 'inf'"),
        (["--queue", "1000000000000"], 2, "--queue takes a whole number from 1 to 100000"),
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


def test_what_is_a_key_in_a_file(tmp_path):
    """What some editors put before the first character is no part of it, and comments are none."""
    keys = tmp_path / "keys.txt"
    keys.write_bytes(
        b"\xef\xbb\xbf# the keys of the shop\r\n\r\n  0123456789abcdef0123 \r\n# another\nfedcba9876543210fedc"
    )
    assert keys_in(keys) == ["0123456789abcdef0123", "fedcba9876543210fedc"]
    keys.write_bytes(b"\xef\xbb\xbf0123456789abcdef0123\n")
    assert keys_in(keys) == ["0123456789abcdef0123"]


@pytest.mark.parametrize(
    ("data", "says"),
    [(b"# a comment of 16 characters\n", "has none"), (b"\xff\xfek\x00e\x00y\x00", "a text file (UTF-8)")],
    ids=["comments", "UTF-16"],
)
def test_a_file_without_a_key(capsys, tmp_path, data, says):
    keys = tmp_path / "keys.txt"
    keys.write_bytes(data)
    refused(call(capsys, "serve", "--api-keys", keys), 2, says, str(keys))


def test_an_address_that_is_taken(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused(call(capsys, "serve", "--port", taken.getsockname()[1]), 1, "Nothing can listen", "--port")


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("value", [float("inf"), float("nan"), -1, 1e300])
def test_limits_that_are_no_limits(name, value):
    with pytest.raises(ValueError, match=rf"`{name}` is a number from .* to .*, not .*\.$"):
        Limits(**{name: value})


def test_the_largest_limits_of_the_command_line_are_limits():
    most = {"max_megabytes": 100_000, "max_megapixels": 10_000, "grace": 86_400, "deadline": 86_400, "batch": 64}
    limits = LimitFlags(queue=100_000, queue_megabytes=10_000_000, upload_time=86_400, **most).limits()
    assert limits.held_bytes == 10**13 and limits.seconds == limits.grace_seconds == 86_400


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
