"""The service's own addresses, its queue, its limits, and who is let in."""

import asyncio
import base64
import contextlib
import io
import json
import logging
import socket
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import partial

import httpx2
import numpy as np
import pytest
import torch
from jsonschema import Draft202012Validator
from starlette.requests import Request

import zeroshift
from tests.captioned import telling
from tests.serving import FEW, LONG, Served, every_unfinished, file_of, image_of, pixels, serving
from zeroshift.conditioning.direction import direction_of_words
from zeroshift.miniature.captioner import HeadsCaptioner
from zeroshift.service.bodies import read_body
from zeroshift.service.bounds import PIECE, NotTaken, Parting
from zeroshift.service.limits import Limits
from zeroshift.service.logs import JsonLines
from zeroshift.service.security import check_address, is_loopback

CAT = file_of(pixels())
SPEC = {"source": "cat", "target": "dog", **FEW}
KEY = "0123456789abcdef0123"
LIMITS = Limits(requests=6, together=4, body_bytes=200_000, upload_seconds=0.5, megapixels=1, grace_seconds=0.2)


@pytest.fixture(scope="module")
def editor(checkpoint) -> zeroshift.Editor:
    return zeroshift.load(checkpoint, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def served(editor):
    directions = {"up": direction_of_words(editor.backbone, "cat", "dog", 3)}
    with serving(editor, LIMITS, directions=directions) as served:
        yield served


@pytest.fixture(scope="module")
def client(served):
    with httpx2.Client(base_url=served.url, timeout=60) as client:
        yield client


def form(picture: bytes = CAT, **spec) -> dict:
    """An edit as a form."""
    return {"files": {"image": picture}, "data": {"spec": json.dumps({**SPEC, **spec})}}


def events(text: str) -> list[tuple[str, dict]]:
    """The events of a stream by their names."""
    found = [dict(line.split(": ", 1) for line in one.splitlines()) for one in text.strip().split("\n\n")]
    return [(one["event"], json.loads(one["data"])) for one in found]


def until(true) -> None:
    """Wait for something that comes soon."""
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def alone(editor, picture: bytes = CAT, **spec) -> np.ndarray:
    return np.asarray(editor.edit(picture, zeroshift.EditSpec(**{**SPEC, **spec})).image)


def data_url(data: bytes = CAT) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


# edits


def test_an_edit_in_json_and_as_a_picture(client, editor):
    body = {"image": data_url(), "spec": SPEC}
    told = client.post("/v1/edits", json=body).json()
    assert np.array_equal(np.asarray(image_of(base64.b64decode(told["b64_json"]))), alone(editor))
    assert (
        told["recipe"]["target"] == "dog"
        and told["verdict"]["change"] > 0
        and (told["width"], told["height"]) == (40, 32)
    )
    answer = client.post("/v1/edits", **form(), headers={"Accept": "image/*"})
    assert answer.headers["content-type"] == "image/png"
    assert np.array_equal(np.asarray(image_of(answer.content)), alone(editor))


def test_openais_form_of_an_edit_in_json(client, editor):
    body = {"images": [{"image_url": data_url()}], "prompt": "cat -> dog", **FEW}
    (item,) = client.post("/v1/images/edits", json=body).json()["data"]
    assert np.array_equal(np.asarray(image_of(base64.b64decode(item["b64_json"]))), alone(editor))
    refused = client.post("/v1/images/edits", json={**body, "images": [{"image_url": "http://localhost/cat.png"}]})
    assert refused.status_code == 400 and refused.json()["error"]["param"] == "images"


def test_a_mask_beside_an_edit(client):
    mask = np.zeros((32, 40), np.uint8)
    mask[:16] = 255
    sent = {"files": {"image": CAT, "mask": file_of(mask)}, "data": {"spec": json.dumps(SPEC)}}
    after = np.asarray(image_of(client.post("/v1/edits", **sent, headers={"Accept": "image/png"}).content))
    changed = (after != pixels()).any(2)
    assert changed[:16].any() and not changed[16:].any()


@pytest.mark.slow
def test_a_direction_that_is_offered(client, editor, served):
    (one,) = client.get("/v1/directions").json()["data"]
    assert one["id"] == "up" and one["about"] == "from cat to dog"
    along = {"method": "pix2pix-zero", "options": {"steps": 2}, "direction": {"sha256": one["sha256"]}}
    made = client.post("/v1/edits", **form(**along)).json()
    assert made["recipe"]["direction_sha256"] == one["sha256"]
    refused = client.post("/v1/edits", **form(**{**along, "direction": {"sha256": "0" * 64}}))
    assert refused.status_code == 400 and refused.json()["error"]["code"] == "direction_not_found"


@pytest.mark.parametrize(
    ("sent", "param", "says"),
    [
        (form(options={"steps": -1}), "/spec/options/steps", "1 to 999"),
        (form(speed=3), "/spec/speed", "no option"),
        (form(target=""), "/spec/target", "empty"),
        ({"files": {"image": CAT}}, "spec", "takes"),
        ({"data": {"spec": json.dumps(SPEC)}, "files": {"picture": CAT}}, "picture", "no file"),
        ({"json": {"spec": SPEC}}, "image", "Send one"),
        ({"json": {"spec": SPEC, "image": "http://127.0.0.1/cat.png"}}, "image", "not fetched"),
        ({"json": {"spec": SPEC, "image": "file:///etc/passwd"}}, "image", "not fetched"),
        ({"json": {"spec": SPEC, "image": "data:image/png;base64,%"}}, "image", "base64"),
        ({"json": {"spec": SPEC, "image": {"file_id": "x"}}}, "image", "not fetched"),
        ({"json": {"spec": {**SPEC, "mask": {"sha256": "0" * 64}}, "image": data_url()}}, "/spec/mask", "not there"),
        ({"json": [1]}, None, "object"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, None, "JSON"),
    ],
    ids=range(13),
)
def test_what_makes_no_sense_is_said(client, sent, param, says):
    answer = client.post("/v1/edits", **sent)
    error = answer.json()["error"]
    assert answer.status_code == 400 and error["param"] == param and says in error["message"]


def test_null_is_as_if_left_out(client, editor):
    body = {"image": data_url(), "mask": None, "model": None, "output_format": None, "spec": SPEC}
    told = client.post("/v1/edits", json=body).json()
    assert np.array_equal(np.asarray(image_of(base64.b64decode(told["b64_json"]))), alone(editor))
    body = {"image": data_url(), "mask": None, "images": None, "prompt": "cat -> dog", **FEW}
    assert client.post("/v1/images/edits", json=body).status_code == 200
    answer = client.post("/v1/images/edits", json={**body, "image": None})
    assert "`image` is missing" in answer.json()["error"]["message"]


def test_a_picture_as_file_and_as_text(client):
    for path, said in (("/v1/edits", {"spec": json.dumps(SPEC)}), ("/v1/images/edits", {"prompt": "cat -> dog"})):
        answer = client.post(path, files={"image": CAT}, data={**said, "image": data_url()})
        assert answer.status_code == 400
        assert answer.json()["error"]["message"] == "`image` is there as a file and as text; give it once."


def test_nothing_of_a_form_is_on_disk(monkeypatch):
    """Python puts what is larger than a megabyte there, as Starlette asks it to."""
    monkeypatch.setattr("tempfile.TemporaryFile", None)
    picture = b"x" * 3_000_000
    asked = httpx2.Request("POST", "http://localhost", files={"image": picture}, data={"prompt": "dog"})
    scope = {"type": "http", "headers": [(name.lower(), value) for name, value in asked.headers.raw]}

    async def receive():
        return {"type": "http.request", "body": asked.read(), "more_body": False}

    sent = asyncio.run(read_body(Request(scope, receive)))
    assert sent.files == {"image": [picture]} and sent.fields == {"prompt": "dog"}


@pytest.mark.parametrize(
    "sent",
    [
        {"content": json.dumps({"image": data_url(), "prompt": "cat -> dog", "\ud800": 1})},
        {"content": json.dumps({"image": data_url(), "prompt": "cat -> dog", "options": {"a": [{"b": "x\udfff"}]}})},
        {"content": b'{"prompt": "cat -> \xed\xa0\x80"}'},
        {"files": {"image": CAT}, "data": {"prompt": "cat -> dog", "options": '{"\\ud800": 1}'}},
        {"files": {"image": CAT}, "data": {"prompt": "cat -> dog", "options[x]": '"\\ud800"'}},
    ],
    ids=range(5),
)
def test_halves_of_characters_are_refused(client, sent):
    headers = {"Content-Type": "application/json"} if "content" in sent else {}
    answer = client.post("/v1/images/edits", **sent, headers=headers)
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "invalid_text"
    whole = json.dumps({"image": data_url(), "prompt": "cat -> \U0001f431 dog", "n": 0})
    answer = client.post("/v1/images/edits", content=whole, headers={"Content-Type": "application/json"})
    assert answer.json()["error"]["param"] == "n"


@pytest.mark.slow
def test_what_is_there_to_choose_from(client):
    found = client.get("/v1/methods").json()
    Draft202012Validator.check_schema(found["schema"])
    Draft202012Validator(found["schema"]).validate(SPEC)
    assert {one["name"] for one in found["methods"]} >= {"pix2pix-zero", "sdedit"}
    assert client.get("/v1/models/other").json()["error"]["code"] == "model_not_found"
    assert client.get("/nowhere").json()["error"]["code"] == "not_found"
    assert client.get("/v1/edits").json()["error"]["code"] == "method_not_allowed"
    assert client.post("/v1/edits", content=b"x").status_code == 415


def test_what_a_photograph_shows(editor):
    shown = torch.from_numpy(np.stack([pixels(seed, 16, 16) for seed in range(4)])).permute(0, 3, 1, 2)
    seeing = replace(editor, captioner=HeadsCaptioner(partial(telling, shown)))
    with serving(seeing) as served, httpx2.Client(base_url=served.url, timeout=60) as client:
        told = client.post("/v1/captions", files={"image": CAT}).json()
        assert told == asdict(seeing.see(CAT)) and sum(told["probabilities"].values()) == pytest.approx(1)
        part = client.post("/v1/captions", json={"image": data_url(), "region": "0,0,16,16"}).json()
        assert part == asdict(seeing.see(CAT, region="0,0,16,16")) != told
        wrong = client.post("/v1/captions", json={"image": data_url(), "region": "90,0,16,16"})
        assert wrong.status_code == 400 and "region" in wrong.json()["error"]["message"]


def test_a_model_without_a_captioner_says_so(client):
    answer = client.post("/v1/captions", files={"image": CAT})
    assert answer.status_code == 400 and "no captioner" in answer.json()["error"]["message"]


# jobs


def test_a_job_and_its_progress(client, editor):
    sent = form()
    sent["data"]["partial_images"] = "1"
    begun = client.post("/v1/jobs", **sent)
    assert begun.status_code == 202
    here = begun.headers["location"]
    told = events(client.get(f"{here}/events").text)
    names = [name for name, _ in told]
    assert names[-1] == "job.done" and {"job.step", "job.partial_image"} >= {*names[:-1]} - {"job.waiting"}
    assert told[-1][1]["result"]["recipe"]["target"] == "dog"
    assert not client.get(here).json()["result"]["warnings"]
    made = client.get(told[-1][1]["image"])
    assert np.array_equal(np.asarray(image_of(made.content)), alone(editor))
    assert client.get(here).json()["status"] == "done"
    assert events(client.get(f"{here}/events").text)[0][0] == "job.done"
    assert client.delete(here).json()["status"] == "done"


def test_a_job_whose_result_cannot_be_written_ends(client, monkeypatch):
    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr("zeroshift.service.jobs.Made.of", full)
    here = client.post("/v1/jobs", **form()).headers["location"]
    name, last = events(client.get(f"{here}/events").text)[-1]
    assert name == "job.failed" and last["error"]["code"] == "internal_error"


def test_nothing_is_kept_for_a_listener_that_went(client, served):
    here = client.post("/v1/jobs", **form(**LONG)).headers["location"]
    ticket = served.service.jobs.get(here.rpartition("/")[2]).ticket
    until(lambda: len(ticket._listeners) == 2)  # who counts its end, and who writes its result
    with client.stream("GET", f"{here}/events") as listening:
        lines = listening.iter_lines()  # held: one that is let go closes the connection
        next(lines)
        assert len(ticket._listeners) == 3
    until(lambda: len(ticket._listeners) == 2)
    client.delete(here)
    until(lambda: not ticket._listeners)


def test_a_cancelled_job_ends_after_its_step(client, served):
    here = client.post("/v1/jobs", **form(**LONG)).headers["location"]
    until(lambda: client.get(here).json()["status"] == "running")
    assert client.get(f"{here}/image").status_code == 409
    assert client.delete(here).json()["status"] == "cancelled"
    until(lambda: served.counted("zeroshift_running", device="cpu") == 0)
    assert [name for name, _ in events(client.get(f"{here}/events").text)] == ["job.cancelled"]
    assert client.get("/v1/jobs/none").status_code == 404


# the queue


def busy(client: httpx2.Client, served: Served) -> str:
    """Have the device at work until the job of this address is cancelled."""
    here = client.post("/v1/jobs", **form(**LONG)).headers["location"]
    until(lambda: client.get(here).json()["status"] == "running")
    return here


def test_those_that_wait_run_together_and_get_what_they_get_alone(client, served, editor):
    here, pictures = busy(client, served), [file_of(pixels(seed)) for seed in range(4)]
    before = served.counted("zeroshift_batch_pictures_bucket", device="cpu", le="4.0")
    alike = served.counted("zeroshift_batch_pictures_bucket", device="cpu", le="2.0")
    with ThreadPoolExecutor(4) as threads:
        sending = [
            threads.submit(client.post, "/v1/edits", **form(picture, seed=seed), headers={"Accept": "image/png"})
            for seed, picture in enumerate(pictures)
        ]
        until(lambda: served.counted("zeroshift_waiting", device="cpu") == 4)
        client.delete(here)
        answers = [one.result() for one in sending]
    assert served.counted("zeroshift_batch_pictures_bucket", device="cpu", le="4.0") == before + 1
    assert served.counted("zeroshift_batch_pictures_bucket", device="cpu", le="2.0") == alike
    for seed, (picture, answer) in enumerate(zip(pictures, answers, strict=True)):
        apart = np.asarray(image_of(answer.content)).astype(int) - alone(editor, picture, seed=seed)
        assert np.abs(apart).max() <= 1


def test_one_that_fails_leaves_the_others_of_its_batch(client, served, editor):
    here = busy(client, served)
    mask, none = np.zeros((32, 40), np.uint8), np.zeros((32, 40), np.uint8)
    mask[:16], none[:, 39:] = 255, 255  # the second lies outside of what the tiny model sees
    sent = [{**form(), "files": {"image": CAT, "mask": file_of(one)}} for one in (mask, none)]
    with ThreadPoolExecutor(2) as threads:
        sending = [threads.submit(client.post, "/v1/edits", **one) for one in sent]
        until(lambda: served.counted("zeroshift_waiting", device="cpu") == 2)
        client.delete(here)
        good, bad = (one.result() for one in sending)
    assert good.status_code == 200
    assert bad.status_code == 400 and "outside of the part" in bad.json()["error"]["message"]


def test_more_than_there_are_places_are_told_when_to_come_again(client, served):
    here = [client.post("/v1/jobs", **form(**LONG)).headers["location"] for _ in range(LIMITS.requests)]
    refused = client.post("/v1/edits", **form())
    assert refused.status_code == 429 and int(refused.headers["retry-after"]) >= 1
    assert refused.json()["error"]["code"] == "queue_full"
    for one in here:
        assert client.delete(one).json()["status"] == "cancelled"
    until(lambda: served.counted("zeroshift_requests_in_progress") == 0)
    assert client.post("/v1/edits", **form()).status_code == 200


def test_no_more_pictures_than_there_is_room_for(editor):
    one = 5 * 40 * 32  # bytes of a decoded picture; its result takes as much
    with (
        serving(editor, Limits(held_bytes=6 * one)) as served,
        httpx2.Client(base_url=served.url, timeout=60) as client,
    ):
        here = client.post("/v1/jobs", **form(file_of(pixels()[:32, :16]), **LONG)).headers["location"]
        until(lambda: client.get(here).json()["status"] == "running")
        until(lambda: served.counted("zeroshift_held_bytes") == 2 * 5 * 16 * 32)
        unfinished = form(file_of(pixels()[:32, :16]), **LONG)
        unfinished["data"]["partial_images"] = "2"
        more = client.post("/v1/jobs", **unfinished).headers["location"]
        until(lambda: served.counted("zeroshift_held_bytes") == (2 + 3) * 5 * 16 * 32)
        client.delete(more)
        until(lambda: served.counted("zeroshift_held_bytes") == 2 * 5 * 16 * 32)
        grown = client.post("/v1/edits", **form(file_of(np.zeros((160, 160, 3), np.uint8))))
        assert grown.status_code == 413 and "of memory" in grown.json()["error"]["message"]
        flat = file_of(np.full((72, 48, 3), 9, np.uint8))
        refused = client.post("/v1/edits", **form(flat))
        assert refused.status_code == 429 and refused.headers["retry-after"]
        client.delete(here)
        until(lambda: served.counted("zeroshift_held_bytes") == 0)
        assert client.post("/v1/edits", **form(flat)).status_code == 200


def test_unfinished_pictures_take_room_one_at_a_time_and_who_asks_for_too_many_learns_how_many_fit(editor):
    one = 5 * 40 * 32
    few = {"method": "sdedit", "options": {"steps": 8}}
    body = {"image": data_url(), "prompt": "cat -> dog", **few, "n": 10, "stream": True, "partial_images": 3}
    with (
        serving(editor, Limits(held_bytes=14 * one)) as served,  # the photograph, ten results, one unfinished; the body
        httpx2.Client(base_url=served.url, timeout=60) as client,
    ):
        with every_unfinished():
            names = [name for name, _ in events(client.post("/v1/images/edits", json=body).text)]
        assert names.count("image_edit.partial_image") == 30 and names.count("image_edit.completed") == 10
        until(lambda: served.counted("zeroshift_held_bytes") == 0)
    with (
        serving(editor, Limits(held_bytes=8 * one + 6000)) as served,  # 6000: the body
        httpx2.Client(base_url=served.url, timeout=60) as client,
    ):
        answer = client.post("/v1/images/edits", json=body)
        assert answer.status_code == 413 and "there is room for 6 of these 10;" in answer.json()["error"]["message"]
        until(lambda: served.counted("zeroshift_held_bytes") == 0)
        assert client.post("/v1/images/edits", json={**body, "n": 6}).status_code == 200
        until(lambda: served.counted("zeroshift_held_bytes") == 0)
        same = {**body, "n": 10, "method": "ddim"}  # draws nothing at random: one is made for all ten
        assert client.post("/v1/images/edits", json=same).status_code == 200
        until(lambda: served.counted("zeroshift_held_bytes") == 0)
        answer = client.post("/v1/images/edits", json={**same, "stream": False})  # which has it ten times
        assert answer.status_code == 413 and "there is room for 7 of these 10;" in answer.json()["error"]["message"]
        for less in ({"n": 7}, {"response_format": "url"}):
            until(lambda: served.counted("zeroshift_held_bytes") == 0)
            there = client.post("/v1/images/edits", json={**same, "stream": False, **less})
            assert there.status_code == 200 and len(there.json()["data"]) == less.get("n", 10)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_is_waited_for_no_more(client, served, caplog, stream):
    left = served.counted("zeroshift_requests_total", method="POST", route="/v1/images/edits", status="499")
    cancelled = served.counted("zeroshift_jobs_total", how="cancelled")
    body = {"image": data_url(), "prompt": "cat -> dog", **LONG, "stream": stream}
    request = client.build_request("POST", "/v1/images/edits", json=body)
    head = "POST /v1/images/edits HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(request.content)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        connection.sendall(head.encode() + request.content)
        until(lambda: served.counted("zeroshift_running", device="cpu") == 1)
    until(lambda: served.counted("zeroshift_jobs_total", how="cancelled") == cancelled + 1)
    until(lambda: served.counted("zeroshift_running", device="cpu") == 0)
    until(lambda: served.counted("zeroshift_requests_in_progress") == served.counted("zeroshift_held_bytes") == 0)
    if not stream:
        route = {"method": "POST", "route": "/v1/images/edits", "status": "499"}
        until(lambda: served.counted("zeroshift_requests_total", **route) == left + 1)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_what_is_not_done_in_time_is_given_up(editor):
    with serving(editor, Limits(seconds=1)) as served, httpx2.Client(base_url=served.url, timeout=60) as client:
        answer = client.post("/v1/edits", **form(**LONG))
        assert answer.status_code == 504 and answer.headers["x-should-retry"] == "false"
        until(lambda: served.counted("zeroshift_running", device="cpu") == 0)
        assert served.counted("zeroshift_batch_pictures_count", device="cpu") == 1
        with served.service.desk.turns("cpu").one() as turn:
            assert turn.wait(20)
            assert client.post("/v1/edits", **form()).status_code == 504  # while it waits for its turn
        until(lambda: served.counted("zeroshift_waiting", device="cpu") == 0)
        assert served.counted("zeroshift_batch_pictures_count", device="cpu") == 1


def test_a_request_whose_time_is_up_is_not_read_on(editor):
    with serving(editor, Limits(seconds=1e-4)) as served, httpx2.Client(base_url=served.url, timeout=60) as client:
        assert client.post("/v1/edits", **form()).status_code == 504
        until(lambda: served.counted("zeroshift_requests_in_progress") == 0)
        assert served.counted("zeroshift_jobs_total", how="deadline_exceeded") == 0


def test_a_service_that_is_stopped_finishes_what_runs_and_refuses_what_waits(editor):
    with (
        serving(editor, Limits(grace_seconds=60)) as served,
        httpx2.Client(base_url=served.url, timeout=60) as client,
        ThreadPoolExecutor(2) as threads,
    ):
        running = threads.submit(client.post, "/v1/edits", **form(options={"steps": 200}))
        until(lambda: served.counted("zeroshift_running", device="cpu") == 1)
        waiting = threads.submit(client.post, "/v1/edits", **form())
        until(lambda: served.counted("zeroshift_waiting", device="cpu") == 1)
        served.server.should_exit = True
        refused = waiting.result()
        assert refused.status_code == 503 and refused.json()["error"]["code"] == "stopping"
        assert running.result().status_code == 200
        assert not served.service.desk.ready


@pytest.mark.slow
def test_what_runs_longer_than_the_grace_is_ended(editor):
    with (
        serving(editor, Limits(grace_seconds=0.1)) as served,
        httpx2.Client(base_url=served.url, timeout=60) as client,
        ThreadPoolExecutor(1) as threads,
    ):
        running = threads.submit(client.post, "/v1/edits", **form(**LONG))
        until(lambda: served.counted("zeroshift_running", device="cpu") == 1)
        served.server.should_exit = True
        assert running.result().status_code == 503


# limits


def test_bodies_that_are_too_large(client, served):
    assert client.post("/v1/edits", content=b"x" * 30_000_000).status_code == 413

    def chunks():
        for _ in range(30):
            yield b"x" * 10_000

    answer = client.post("/v1/edits", content=chunks(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413 and answer.json()["error"]["message"] == "The body is larger than 0.2 MB."


def test_bodies_that_do_not_come(served):
    head = (
        b"POST /v1/edits HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    )
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        connection.sendall(head)
        assert connection.recv(100).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("path", ["/v1/edits", "/nowhere", "/v1/models"])
def test_the_rest_of_a_refused_body_is_not_waited_for(editor, path):
    """Nor read without end: the answer comes first, and the connection ends."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    with serving(editor, Limits(body_bytes=200_000), keys=[KEY]) as served:
        with socket.create_connection(("127.0.0.1", served.port)) as connection:
            connection.settimeout(10)
            connection.sendall(head + chunk)
            answer = connection.recv(1000)
            assert answer.startswith(b"HTTP/1.1 401") and b"connection: close" in answer.lower()
            with pytest.raises(OSError):  # noqa: PT011  # reset, or a broken pipe
                for _ in range(1000):
                    connection.sendall(chunk)


def test_an_answer_that_is_not_taken_ends():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(range(256)) * 5000})

    async def answered(patience: int) -> bytes:
        taken: list[bytes] = []

        async def send(message):
            taken.append(message.get("body", b""))
            await asyncio.sleep(9 if len(taken) > patience else 0)

        with contextlib.suppress(NotTaken):
            await Parting(app, Limits(upload_seconds=0.05))({"type": "http", "headers": []}, None, send)
        return b"".join(taken)

    assert asyncio.run(answered(99)) == bytes(range(256)) * 5000
    assert len(asyncio.run(answered(2))) == 2 * PIECE


def bomb() -> bytes:
    """A PNG of 60,000 x 60,000 pixels in some hundred bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        (bomb(), "3600 megapixels"),
        (file_of(pixels(), "TIFF"), "expected one of PNG, JPEG, WEBP"),
        (file_of(pixels(), "GIF"), "expected one of PNG, JPEG, WEBP"),
        (CAT[:300], "damaged or truncated PNG"),
        (file_of(pixels(0, 8, 8)), "16 px a side"),
        (b"", "empty"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "expected one of"),
    ],
    ids=range(7),
)
def test_pictures_that_are_not_read(client, picture, says):
    answer = client.post("/v1/edits", **form(picture))
    assert answer.status_code == 400 and says in answer.json()["error"]["message"]


def test_no_more_sentences_than_are_encoded_at_once(client):
    many = {"source_sentences": ["a cat"], "target_sentences": ["a dog"] * 2001}
    answer = client.post("/v1/edits", **form(method="ddim", direction=many))
    assert answer.status_code == 400 and answer.json()["error"]["param"] == "/spec/direction/target_sentences"


# who is let in


def test_without_keys_no_other_site_gets_in(client):
    assert (
        client.get("/v1/models", headers={"Origin": "https://evil.example"}).json()["error"]["code"] == "foreign_origin"
    )
    for name in ("evil.example", "localhost.evil.example", "", "[", "127.0.0.1@evil.example"):
        assert client.get("/v1/models", headers={"Host": name}).status_code in (400, 403), name
    for name in ("localhost:1234", "127.0.0.1", "[::1]:80", "LOCALHOST"):
        assert client.get("/v1/models", headers={"Host": name}).status_code == 200, name


def test_every_answer_has_the_headers_of_security(client):
    for path in ("/v1/models", "/nowhere"):
        headers = client.get(path, headers={"Origin": client.base_url.copy_with(path="").__str__().rstrip("/")}).headers
        assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["cache-control"] == "no-store" and headers["x-request-id"]
        assert not [name for name in headers if name.startswith("access-control")] and "server" not in headers


def test_keys(editor, caplog):
    caplog.set_level(logging.INFO, "zeroshift.service")
    with serving(editor, keys=[KEY, KEY[::-1]]) as served, httpx2.Client(base_url=served.url, timeout=60) as client:
        for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Token {KEY}"}, {"X-Api-Key": KEY}):
            answer = client.post("/v1/edits", **form(), headers=given)
            assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
        for key in (KEY, KEY[::-1]):
            assert client.get("/v1/models", headers={"Authorization": f"Bearer {key}"}).status_code == 200
        password = base64.b64encode(f"me:{KEY}".encode()).decode()
        assert client.get("/metrics", headers={"Authorization": f"Basic {password}"}).status_code == 200
        assert client.get("/v1/models", headers={"Authorization": "Basic é".encode()}).status_code == 401
        assert client.get("/healthz").json() == client.get("/readyz").json() == {"status": "ok"}
        made = client.post("/v1/edits", **form(target="tiger"), headers={"Authorization": f"Bearer {KEY}"})
        assert made.status_code == 200
    lines = [JsonLines().format(record) for record in caplog.records]
    assert [json.loads(line).get("status") for line in lines].count(401) == 5
    assert not [line for line in lines if KEY in line or "tiger" in line or made.json()["b64_json"][:40] in line]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.com"])
def test_other_addresses_need_a_key(host):
    with pytest.raises(ValueError, match="there is no key"):
        check_address(host, [])
    check_address(host, [KEY])
    with pytest.raises(ValueError, match="16 ASCII characters"):
        check_address(host, ["short"])


def test_addresses_of_this_machine():
    assert all(map(is_loopback, ("127.0.0.1", "localhost", "::1", "[::1]", "127.3.2.1")))


# operations


def test_metrics_are_prometheus_own_format(client):
    from prometheus_client.parser import text_string_to_metric_families

    client.get("/v1/jobs/none")
    client.post("/v1/edits", **form())
    families = {one.name: one for one in text_string_to_metric_families(client.get("/metrics").text)}
    assert {"zeroshift_requests", "zeroshift_waiting", "zeroshift_run_seconds", "zeroshift_steps"} <= families.keys()
    routes = {sample.labels["route"] for sample in families["zeroshift_requests"].samples}
    assert "/v1/jobs/{name}" in routes and not [
        route for route in routes if route.startswith("/v1/jobs/") and "{" not in route
    ]


def test_a_fault_of_a_handler_has_openais_form_and_is_logged_and_counted(client, served, monkeypatch, caplog):
    monkeypatch.setattr("zeroshift.service.native.model_facts", lambda *_: 1 / 0)
    before = served.counted("zeroshift_requests_total", method="GET", route="/v1/models", status="500")
    answer = client.get("/v1/models", headers={"X-Request-ID": "mine-1234"})
    assert answer.status_code == 500 and answer.headers["content-type"] == "application/json"
    said = "Something went wrong in the service; its log says what."
    assert answer.json() == {
        "error": {"message": said, "type": "server_error", "param": None, "code": "internal_error"}
    }
    assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["x-request-id"] == "mine-1234"
    until(lambda: served.counted("zeroshift_requests_total", method="GET", route="/v1/models", status="500") > before)
    (fault,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert fault.exc_info[0] is ZeroDivisionError and fault.facts == {"id": "mine-1234"}


def test_a_fault_is_logged_without_what_was_sent(editor, monkeypatch):
    """A fault in a run ends that run alone; who asked learns nothing of it but that it was one."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logging.getLogger("zeroshift.service").addHandler(handler)
    try:
        with serving(editor) as served, httpx2.Client(base_url=served.url, timeout=60) as client:
            planted = editor.backbone.unet.mid_block.register_forward_pre_hook(lambda *_: 1 / 0)
            answer = client.post("/v1/edits", **form(target="tiger"))
            planted.remove()
            assert answer.status_code == 500 and answer.json()["error"]["code"] == "internal_error"
            assert client.post("/v1/edits", **form()).status_code == 200
    finally:
        logging.getLogger("zeroshift.service").removeHandler(handler)
    told = json.loads(stream.getvalue().splitlines()[0])
    assert told["error"] == "ZeroDivisionError" and told["where"] and "tiger" not in stream.getvalue()
