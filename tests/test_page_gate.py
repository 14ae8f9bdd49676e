"""Who reaches the page, and what it never does for them: it fetches nothing, and takes no more than a photograph."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from errno import ENOSYS
from functools import partial
from pathlib import Path
from shutil import rmtree
from types import SimpleNamespace
from urllib.parse import quote

import httpx2
import pytest

pytest.importorskip("gradio", reason="Gradio is not installed; install zeroshift[ui].")
from gradio.processing_utils import save_file_to_cache
from gradio.route_utils import GradioMultiPartParser
from starlette.applications import Starlette
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from tests.serving import file_of, pixels
from zeroshift import EditSpec
from zeroshift.image import load_image
from zeroshift.service.refusals import Refusal
from zeroshift.service.security import HEADERS
from zeroshift.ui import bodies, gate, homes, serving, telling
from zeroshift.ui import kept as kept_files
from zeroshift.ui.desk import Desk, Made, Where
from zeroshift.ui.filed import FOLDER, Filed, filed
from zeroshift.ui.kept import Kept

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
PART = b'--edge\r\nContent-Disposition: form-data; name="files"; filename="cat.png"\r\n\r\n'
FILE = {"path": "http://8.8.8.8/x.png", "meta": {"_type": "gradio.FileData"}}


async def taken(request: Request) -> PlainTextResponse:
    """What stands behind the gate: it tells how much has come, and as Gradio does that something was wrong."""
    try:
        return PlainTextResponse(str(sum([len(piece) async for piece in request.stream()])))
    except MultiPartException as error:
        return PlainTextResponse(error.message, 400)


@pytest.fixture
def kept(tmp_path):
    return Kept(tmp_path)


@pytest.fixture
def client(kept):
    every = Route("/{path:path}", taken, methods=["GET", "HEAD", "POST"])
    with TestClient(Starlette(routes=[every], middleware=gate.alone(kept)), "http://127.0.0.1:7860") as client:
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
    assert answer.status_code == 413 and answer.json()["error"]["message"] == "The request is larger than 0.1 MB."
    assert client.post("/gradio_api/queue/join", content=b" " * 50_000).text == "50000"
    assert client.post("/gradio_api/queue/join", content=b" " * 50_001).status_code == 413


def test_what_is_no_open_pages_goes_first_where_too_much_lies(client, kept, monkeypatch):
    """Of what was brought or copied for the browser the oldest, then desks of closed pages; nothing of an open one."""
    monkeypatch.setattr(kept_files, "MOST_KEPT", 100)
    open_desk, closed_desk, begun = Desk(home=kept.desks), Desk(home=kept.desks), time.time()
    for desk, page in ((open_desk, "open"), (closed_desk, "closed")):
        kept.closed.opened(page, desk)
        (desk.place() / "after.png").write_bytes(page.encode() * 5)  # 20 and 30 bytes
    kept.closed.closed("closed")
    names = {"old.png": 40, "new.png": 10, "after.png": 20}  # the last is the copy of what the open page shows
    for age, (name, size) in enumerate(names.items()):
        (kept.copies / name).write_bytes(b"x" * size)
        os.utime(kept.copies / name, (begun - 1000 + 100 * age,) * 2)
    post = partial(client.post, "/gradio_api/upload", files={"files": b"x"})
    assert post().status_code == 200
    assert {file.name for file in kept.copies.iterdir()} == {"new.png", "after.png"} and closed_desk.folder
    (open_desk.place() / "before.png").write_bytes(b"x" * 60)
    assert post().status_code == 200
    assert {file.name for file in kept.copies.iterdir()} == {"after.png"} and closed_desk.folder is None
    (kept.copies / "coming.png").write_bytes(b"x" * 5)  # was brought a moment ago: somebody is about to use it
    answer = post()
    assert answer.status_code == 413 and "Bring it again in 2 minutes" in answer.json()["error"]["message"]
    assert len([file for file in open_desk.folder.iterdir()]) == 2 and (kept.copies / "coming.png").exists()
    kept.closed.closed("open")
    assert post().status_code == 200


def made_on(desk, size=30):
    """An edit on a desk, of files of so many bytes."""
    key = next(desk.keys)
    folder = desk.place() / str(key)
    folder.mkdir()
    (folder / "after.png").write_bytes(b"x" * size)
    files = {"file": folder / "after.png", "before": folder / "before.png", "after": folder / "after.png"}
    source = Filed(desk.place() / FOLDER / "cat", "cat")
    source.file.parent.mkdir(exist_ok=True)
    source.file.write_bytes(b"x")
    made = Made(key=key, source=source, name="cat.png", place=Where(), mask=None, spec=EditSpec(target="dog"), **files)
    desk.made.append(made)
    return made


def test_of_the_only_page_the_oldest_edits_go_and_it_is_told_so(client, kept, monkeypatch):
    """Of the open page that has the most; what is shown stays, and so do photographs of other edits."""
    monkeypatch.setattr(kept_files, "MOST_KEPT", 100)
    desk, other = Desk(home=kept.desks), Desk(home=kept.desks)
    kept.closed.opened("mine", desk)
    kept.closed.opened("other", other)
    first, second, third, fourth = [made_on(desk) for _ in range(4)]
    last = made_on(other, 20)
    desk.shown = first
    assert client.post("/gradio_api/upload", files={"files": b"x"}).status_code == 200
    assert desk.made == [first, fourth] and desk.gone == 2 and other.made == [last] and other.gone == 0
    assert first.file.exists() and not second.file.parent.exists() and not third.file.parent.exists()
    assert first.source.file.exists()
    (sentence,) = telling.let_go(desk)
    assert sentence.startswith("The 2 oldest edits of this page are not here any more, for there is room for 4 GB")
    assert telling.let_go(desk) == []
    desk.shown = other.shown = None
    (kept.copies / "coming.png").write_bytes(b"x" * 90)
    assert kept.has_room() and desk.made == other.made == []
    assert not first.source.file.exists()


def test_what_runs_keeps_its_photographs_file_and_what_it_has_made(client, kept, monkeypatch):
    """Another page makes room between the moment when a run files its photograph and that when its edit is there."""
    monkeypatch.setattr(kept_files, "MOST_KEPT", 0)
    desk, cat = Desk(home=kept.desks), SimpleNamespace(sha256="cat")
    kept.closed.opened("mine", desk)
    first, on = made_on(desk), desk.with_photo(cat, "cat.png", Where())
    with desk.running(on):
        assert not kept.has_room() and not desk.made and first.source.file.exists()
        second = made_on(desk)
        on.own.append(second)
        assert not kept.has_room() and desk.made == [second] and second.file.exists()
    desk.photo = cat
    assert not kept.has_room() and not desk.made and second.source.file.exists()
    desk.photo = None
    third = made_on(desk)
    assert kept.has_room() and desk.gone == 3 and not desk.made and not third.source.file.exists()


def test_an_edit_that_goes_while_room_is_made_is_no_fault(client, kept, monkeypatch):
    monkeypatch.setattr(kept_files, "MOST_KEPT", 40)
    desk = Desk(home=kept.desks)
    kept.closed.opened("mine", desk)
    first, second = made_on(desk), made_on(desk)

    def looked_at(folder):
        desk.made[:] = [second]
        rmtree(first.file.parent, ignore_errors=True)
        return 1

    assert kept.closed.thin_out(looked_at) and desk.made == [second] and desk.gone == 0
    assert kept.has_room() and desk.made == [second]


def test_a_desk_finds_its_place_again_where_empty_folders_are_cleaned_away(kept):
    desk = Desk(home=kept.desks)
    desk.home.rmdir()
    assert desk.place().is_dir() and desk.place().parent == kept.desks


def test_two_pages_of_a_process_count_their_files_together(monkeypatch, tmp_path):
    """Gradio has one folder of uploads for a process, and so has the count."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED"):
        monkeypatch.setenv(name, "")  # and not delenv, which takes nothing back where there is none
    monkeypatch.setattr(serving, "blocks", lambda *_, **__: SimpleNamespace(queue=lambda **_: None))
    homes.of_process.cache_clear()
    try:
        (_, one), (_, other) = serving.prepared(None, None), serving.prepared(None, None)
        assert one is other and os.environ["GRADIO_TEMP_DIR"] == str(one.copies)
        assert one.home.parent == tmp_path and len([*tmp_path.iterdir()]) == 1
    finally:
        homes.of_process.cache_clear()


LEAVES = """
import os, sys, tempfile
from zeroshift.ui.homes import of_process
home = of_process().home
(home / "photograph.png").write_bytes(b"x")
print(home, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(os.name == "nt", reason="There no lock tells that a process has ended.")
def test_folders_of_killed_processes_are_swept_and_no_others(tmp_path):
    command = [sys.executable, "-c", LEAVES]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    both = [subprocess.Popen(command, cwd=ROOT, env=env, **pipes) for _ in range(2)]
    killed, alive = [Path(one.stdout.readline().strip()) for one in both]
    unlocked, foreign = tmp_path / "zeroshift-page-older", tmp_path / "zeroshift-page-x.txt"
    unlocked.mkdir()
    foreign.mkdir()
    (foreign / homes.LOCK).touch()
    (tmp_path / "zeroshift-page-link").symlink_to(foreign)
    homes.sweep(tmp_path)
    assert killed.exists() and alive.exists()
    both[0].kill()
    both[0].communicate()
    assert (killed / "photograph.png").exists()
    homes.sweep(tmp_path)
    assert not killed.exists() and (alive / "photograph.png").exists()
    assert unlocked.exists() and (foreign / homes.LOCK).exists()
    both[1].communicate()
    assert not alive.exists()


FORKS = """
import os, sys
from zeroshift.ui.desk import Desk
from zeroshift.ui.homes import of_process
kept = of_process()
desk = Desk(home=kept.desks)
folder = desk.place()
if (child := os.fork()) == 0:
    sys.exit(0)
os.waitpid(child, 0)
print(folder.exists(), flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="There no process is forked.")
def test_a_forked_process_leaves_the_folder_of_its_parent(tmp_path):
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", FORKS], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.stdout == "True\n" and not [*tmp_path.iterdir()], done.stderr


@pytest.mark.skipif(os.name == "nt", reason="There no lock tells that a process has ended.")
def test_folders_are_nobodys_to_delete_where_no_lock_tells_of_their_process(tmp_path, monkeypatch):
    """On a file system without locks, and from another machine, which does not see them."""
    home, other = tmp_path / "zeroshift-page-home", tmp_path / "zeroshift-page-other"
    for folder in (home, other):
        folder.mkdir()

    def fails(*_):
        raise OSError(ENOSYS, "Function not implemented")

    with monkeypatch.context() as without:
        without.setattr(homes.fcntl, "flock", fails)
        homes.lock(home)
    (other / homes.LOCK).write_bytes(homes.machine())
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(homes.platform, "node", lambda: "elsewhere")
        homes.sweep(tmp_path)
        assert home.exists() and other.exists()
    homes.sweep(tmp_path)
    assert home.exists() and not other.exists()


def test_a_photograph_that_two_runs_file_at_a_time_is_filed_once(tmp_path, monkeypatch):
    photo, told = load_image(file_of(pixels())), []
    named = Path.replace

    def meanwhile(begun, file):
        monkeypatch.setattr(Path, "replace", named)
        told.append(filed(photo, tmp_path))
        return begun.replace(file)

    monkeypatch.setattr(Path, "replace", meanwhile)
    assert [filed(photo, tmp_path)] == told and [*(tmp_path / FOLDER).iterdir()] == [told[0].file]


def test_bodies_that_say_too_much_are_refused_before_they_are_read(client, monkeypatch):
    """32 MB of lists would hold up all others for seconds; a painted mask is as long and says one thing."""
    read = []
    monkeypatch.setattr(bodies, "said", lambda body: read.append((len(body), threading.current_thread())))
    answer = client.post("/gradio_api/queue/join", content=b"[" + b"[]," * 150_000 + b"1]")
    assert answer.status_code == 413 and "more than 200000 things" in answer.json()["error"]["message"] and not read
    mask = json.dumps({"data": ["data:image/png;base64," + "A" * 20_000_000]}).encode()
    assert client.post("/gradio_api/queue/join", content=mask).status_code == 200
    assert client.post("/gradio_api/queue/join", content=b'{"data": [1]}').status_code == 200
    (large, beside), (small, loop) = read
    assert large == len(mask) and small == 13 and beside is not loop


def test_desks_that_are_let_go_while_files_are_counted_are_no_fault(client, kept, monkeypatch):
    """Other threads delete them; here each file that is looked at takes the folders beside its own away."""
    monkeypatch.setattr(kept_files, "MOST_KEPT", 1)
    folders, told = [Desk(home=kept.desks).place() for _ in range(3)], []
    length = kept_files.bytes_of

    def looked_at(file):
        for other in file.parent.parent.iterdir():
            if file.parent in folders and other != file.parent:
                rmtree(other)
                told.append(other)
        return length(file)

    for folder in folders:
        folder.mkdir(exist_ok=True)
        (folder / "after.png").write_bytes(b"x")
    monkeypatch.setattr(kept_files, "bytes_of", looked_at)
    assert client.post("/gradio_api/upload", files={"files": b"x"}).status_code == 200
    assert len(told) == 2


@pytest.mark.parametrize("name", ["a 'cat'! $1.png", f"{'ä' * 99}.png"])
def test_copies_that_gradio_calls_otherwise_are_an_open_pages_all_the_same(client, kept, monkeypatch, name):
    desk = Desk(home=kept.desks)
    kept.closed.opened("open", desk)
    (desk.place() / name).write_bytes(b"x" * 40)
    copy = Path(save_file_to_cache(desk.place() / name, str(kept.copies)))
    (kept.copies / "old.png").write_bytes(b"x" * 40)
    for file in (copy, kept.copies / "old.png"):
        os.utime(file, (time.time() - 1000,) * 2)
    assert copy.name != name
    monkeypatch.setattr(kept_files, "MOST_KEPT", 100)
    assert client.post("/gradio_api/upload", files={"files": b"x"}).status_code == 200
    assert copy.exists() and not (kept.copies / "old.png").exists()


def test_all_answers_have_the_headers_of_security(client):
    for answer in (client.get("/"), client.get("/", headers={"Host": "evil.example"})):
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert client.get("/").headers["Content-Security-Policy"] == gate.POLICY


@pytest.mark.parametrize("code", [408, 413, 429])
def test_what_the_service_refuses_on_the_way_is_its_own_answer_and_leaves_no_file(kept, code):
    """The page is mounted behind the service's own limits, which refuse inside of Gradio's reading."""
    refusal = Refusal(code, "some", "The body does not come.", headers={"Retry-After": "3"})
    pieces = iter([PART + b"x" * 1000, b"x" * 1000])
    told, folder = [], kept.copies

    async def receive():
        if (piece := next(pieces, None)) is None:
            raise refusal
        return {"type": "http.request", "body": piece, "more_body": True}

    async def send(message):
        told.append(message)

    async def gradio(scope, receive, send):
        """As its upload does."""
        request = Request(scope, receive)
        parser = GradioMultiPartParser(request.headers, request.stream(), upload_dir=folder, max_file_size=1e9)
        try:
            await parser.parse()
        except MultiPartException as error:
            await PlainTextResponse(error.message, 400)(scope, receive, send)

    headers = [(b"content-type", b"multipart/form-data; boundary=edge")]
    scope = {"type": "http", "method": "POST", "path": "/gradio_api/upload", "headers": headers}
    asyncio.run(gate.Gate(gradio, kept)(scope, receive, send))
    assert told[0]["status"] == code and dict(told[0]["headers"])[b"retry-after"] == b"3"
    assert json.loads(told[1]["body"]) == refusal.body and len(told) == 2
    assert not [*folder.iterdir()]


def test_a_client_that_goes_after_its_body_came_is_no_fault():
    messages = [{"type": "http.request", "body": b"x"}, {"type": "http.disconnect"}]

    async def receive():
        return messages.pop(0)

    async def both():
        body = gate.Bounded(receive, 10)
        return [(await body())["type"], (await body())["type"]]

    assert asyncio.run(both()) == ["http.request", "http.disconnect"]


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
        for path in ("monitoring", "monitoring/summary", "monitoring/x"):
            answer = client.get(path)
            assert answer.status_code == 403 and "total_requests" not in answer.text
    assert not log.exists()
