"""Who reaches the page, and what it never does for them: it fetches nothing, and takes no more than a photograph."""

import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest

pytest.importorskip("gradio", reason="Gradio is not installed; install zeroshift[ui].")
from starlette.applications import Starlette
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from tests.serving import file_of, pixels
from zeroshift.ui import gate

ROOT = Path(__file__).parent.parent
AWAY = [
    "http://8.8.8.8/x.png",
    "HTTP://8.8.8.8/x.png",
    "https://example.com/x.png",
    "%68ttp://8.8.8.8/x.png",
    "%2568ttp://8.8.8.8/x.png",
    "http%3A%2F%2F8.8.8.8/x.png",
    "%20http://8.8.8.8/x.png",
    "/http://8.8.8.8/x.png",
    "%2F%20/http://8.8.8.8/x.png",
    "//8.8.8.8/x.png",
    "%5C%5C8.8.8.8%5Cx.png",
    "ftp://8.8.8.8/x.png",
    "file:///etc/passwd",
    "http:8.8.8.8/x.png",
]
HERE = [
    "/tmp/gradio/0a/a cat.png",
    "/tmp/a%20cat.png",
    "C:/photos/cat.png",
    "/tmp/cat:1.png",
    "/tmp/100%.png",
    "cat.png",
]
FILE = {"path": "http://8.8.8.8/x.png", "meta": {"_type": "gradio.FileData"}}


async def taken(request: Request) -> PlainTextResponse:
    """What stands behind the gate: it tells how much has come, as Gradio does of what is too large."""
    try:
        return PlainTextResponse(str(sum([len(piece) async for piece in request.stream()])))
    except MultiPartException as error:
        return PlainTextResponse(error.message, 413)


@pytest.fixture
def client():
    every = Route("/{path:path}", taken, methods=["GET", "HEAD", "POST"])
    with TestClient(Starlette(routes=[every], middleware=gate.alone()), "http://127.0.0.1:7860") as client:
        yield client


@pytest.mark.parametrize("where", AWAY)
@pytest.mark.parametrize(
    "address", ["gradio_api/file=", "gradio_api/file/", "gradio_api/proxy=", "ui/gradio_api/file="]
)
def test_addresses_are_refused_in_front_of_gradio(client, address, where):
    answer = client.get(f"/{address}{where}")
    assert answer.status_code == 403 and answer.json()["error"]["code"] == "not_fetched"
    assert client.head(f"/{address}{where}").status_code == 403


@pytest.mark.parametrize("where", HERE)
def test_files_are_let_by(client, where):
    assert client.get(f"/gradio_api/file={where}").text == "0"
    assert client.post("/gradio_api/queue/join", json={"path": where}).status_code == 200


def test_addresses_in_the_place_of_files_are_refused(client):
    for said in ({"data": [[{"deep": FILE}]]}, {"data": [{**FILE, "path": " HTTPS://example.com"}]}, [FILE]):
        answer = client.post("/gradio_api/queue/join", json=said)
        assert answer.status_code == 403 and answer.json()["error"]["code"] == "not_fetched"
    assert client.post("/gradio_api/queue/join", json={"data": ["http://8.8.8.8"]}).text == "27"
    assert client.post("/gradio_api/queue/join", content=b"[" * 100_000).text == "100000"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Host": "evil.example"}, "foreign_host"),
        ({"Host": "localhost.evil.example:7860"}, "foreign_host"),
        ({"Origin": "http://evil.example"}, "foreign_origin"),
        ({"Origin": "http://localhost:1"}, "foreign_origin"),
        ({"Origin": "null"}, "foreign_origin"),
    ],
)
def test_other_sites_do_not_reach_a_page(client, headers, code):
    for method, path in (("GET", "/"), ("GET", "/config"), ("POST", "/gradio_api/upload")):
        answer = client.request(method, path, headers=headers)
        assert answer.status_code == 403 and answer.json()["error"]["code"] == code
    for own in ({"Origin": "http://127.0.0.1:7860"}, {"Host": "localhost:1234"}, {"Host": "[::1]:7860"}):
        assert client.get("/", headers=own).status_code == 200


def test_no_more_is_taken_than_a_photograph(client, monkeypatch):
    """Neither in one file nor in many, with a length or without."""
    monkeypatch.setattr(gate, "MOST_BODY", 100_000)
    monkeypatch.setattr(gate, "MOST_SAID", 50_000)
    many = [("files", (f"{n}.png", bytes([n]) * 30_000)) for n in range(5)]
    answer = client.post("/gradio_api/upload", files=many)
    assert answer.status_code == 413
    assert answer.json()["error"]["message"] == "The request is larger than 0.1 MB."
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    assert client.post("/gradio_api/upload", content=iter([b"x" * 10_000] * 10), headers=form).text == "100000"
    answer = client.post("/gradio_api/upload", content=iter([b"x" * 10_000] * 11), headers=form)
    assert answer.status_code == 413 and "maximum allowed size" in answer.text
    assert client.post("/gradio_api/queue/join", content=b" " * 50_000).text == "50000"
    assert client.post("/gradio_api/queue/join", content=b" " * 50_001).status_code == 413


def test_nothing_is_taken_where_too_much_lies(client, monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(gate, "MOST_KEPT", 5)
    (tmp_path / "a").write_bytes(b"12345")
    assert client.post("/gradio_api/upload", files={"files": b"x"}).status_code == 200
    (tmp_path / "b").write_bytes(b"6")
    answer = client.post("/gradio_api/upload", files={"files": b"x"})
    assert answer.status_code == 413 and "as many files as it may" in answer.json()["error"]["message"]


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """The file that has every connection and look-up of the pages' process to anything but this machine."""
    return tmp_path_factory.mktemp("gate") / "left.txt"


@pytest.fixture(scope="module")
def addresses(log, checkpoint):
    """Of a page with a server of its own, and of one that is mounted on a service."""
    command = [sys.executable, "-m", "tests.page_gate_server", str(log), str(checkpoint)]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    yield [next(line for line in server.stdout if line.startswith("http")).strip() for _ in range(2)]
    server.terminate()
    server.communicate()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("which", [0, 1], ids=["alone", "mounted"])
def test_gradio_itself_fetches_nothing(addresses, log, which):
    """Of the page as it is served: addresses are refused and nothing leaves, photographs come and go."""
    with httpx2.Client(base_url=addresses[which], timeout=60) as client:
        for where in AWAY:
            for name in ("file=", "file/", "proxy="):
                assert client.get(f"gradio_api/{name}{where}").status_code == 403
        for path in ("queue/join", "call/v2/x", "run/x", "api/x"):
            said = {"data": [FILE], "fn_index": 0, "session_hash": "mine"}
            assert client.post(f"gradio_api/{path}", json=said).status_code == 403
        assert client.get("config", headers={"Host": "evil.example"}).status_code == 403
        assert client.post("gradio_api/upload", headers={"Origin": "http://evil.example"}).status_code == 403
        assert "zeroshift" in client.get("./").text
        picture = file_of(pixels())
        (path,) = client.post("gradio_api/upload", files={"files": ("a cat%20.png", picture)}).json()
        assert client.get(f"gradio_api/file={quote(path)}").content == picture
        chosen = client.get("config").json()["dependencies"][0]["id"]
        joined = client.post("gradio_api/queue/join", json={"data": [], "fn_index": chosen, "session_hash": "mine"})
        assert joined.status_code == 200
    assert not log.exists()
