"""Unfinished pictures that are slower to write than the edit is to make, and how large they are."""

import asyncio
import base64
import json
from contextlib import contextmanager
from threading import Event
from types import SimpleNamespace

import httpx2
import numpy as np
import openai
import pytest
from anyio import CapacityLimiter
from PIL import Image

import zeroshift
from tests.serving import after_unfinished, every_unfinished, file_of, image_of, pixels, serving
from zeroshift.framed import framed, smaller
from zeroshift.image import Photo
from zeroshift.masks.masking import unfinished, with_mask
from zeroshift.service.limits import MOST_UNFINISHED, Limits
from zeroshift.service.pictures import Output
from zeroshift.service.previews import Previews

CAT = file_of(pixels())
EIGHT = {"method": "sdedit", "options": {"steps": 8}}
LONGEST = 20
"""seconds that a thread waits for something which comes at once"""


@pytest.fixture(scope="module")
def editor(checkpoint) -> zeroshift.Editor:
    return zeroshift.load(checkpoint, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def served(editor):
    with serving(editor, Limits(megapixels=4)) as served:
        yield served


@pytest.fixture(scope="module")
def client(served):
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_a_picture_that_nobody_waits_for_keeps_its_place_until_it_is_written():
    """Its memory is in use as long, so the next one of another listener does not begin beside it."""
    free, begun = Event(), list[str]()

    class Slow:
        def written_partial(self, picture: str) -> bytes:
            begun.append(picture)
            assert free.wait(LONGEST)
            return picture.encode()

    def ticket() -> SimpleNamespace:
        return SimpleNamespace(ended=asyncio.Event(), stale=lambda _: False)

    async def both() -> tuple[bytes | None, bytes | None]:
        limiter, first, second = CapacityLimiter(1), ticket(), ticket()
        one = asyncio.ensure_future(Previews(first, Slow(), limiter).file_of(SimpleNamespace(picture="one")))
        while not begun:
            await asyncio.sleep(0)
        first.ended.set()
        ended = await one
        two = asyncio.ensure_future(Previews(second, Slow(), limiter).file_of(SimpleNamespace(picture="two")))
        for _ in range(100):
            await asyncio.sleep(0)
        assert begun == ["one"] and limiter.statistics().tasks_waiting == 1
        free.set()
        return ended, await two

    assert asyncio.run(both()) == (None, b"two")
    assert begun == ["one", "two"]


def streamed(client, picture: bytes = CAT, count: int = 3, **more):
    """A stream of one edit in eight steps."""
    asked = {"image": picture, "prompt": "cat -> dog", "extra_body": EIGHT, **more}
    return client.images.edit(**asked, stream=True, partial_images=count)


@contextmanager
def writing_waits(until: Event, begun: Event | None = None):
    """Inside, no unfinished picture is written before something has happened."""
    plain = Output.written_partial

    def written(*given):
        if begun is not None:
            begun.set()
        assert until.wait(LONGEST)
        return plain(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Output, "written_partial", written)
        try:
            yield
        finally:
            until.set()


def test_the_result_waits_for_no_unfinished_picture(client):
    """The first is being written until the result has come; it, and those behind it, came before the result."""
    there, begun = Event(), Event()
    with writing_waits(there, begun), after_unfinished(lambda _: begun.wait(LONGEST)):
        kinds = []
        for event in streamed(client):
            kinds.append(event.type)
            if event.type == "image_edit.completed":
                there.set()
    assert kinds == ["image_edit.completed"]
    (warning,) = event.warnings
    assert warning == (
        "Of 3 unfinished pictures 3 were left out: newer ones, or the result, were there before they could be sent."
    )


def test_an_unfinished_picture_gives_way_to_a_newer_one_of_its_row(client):
    """While the first is written, the second and the third come: the second is out of date."""
    newest, begun, shown = Event(), Event(), Event()

    def wait(one):
        assert begun.wait(LONGEST)
        if one.index == 2:
            newest.set()
            assert shown.wait(LONGEST)

    with writing_waits(newest, begun), after_unfinished(wait):
        found = []
        for event in streamed(client):
            found.append(getattr(event, "partial_image_index", event.type))
            if found[-1] == 2:
                shown.set()
    assert found == [0, 2, "image_edit.completed"]
    (warning,) = event.warnings
    assert "3 unfinished pictures 1 was left out: a newer one, or the result, was there before it" in warning


def test_the_end_of_a_job_waits_for_no_unfinished_picture(served):
    """Whoever listens is told how many were left out; the job itself knows nothing of it."""
    there, begun, heard = Event(), Event(), Event()
    sent = {"spec": json.dumps({"source": "cat", "target": "dog", **EIGHT}), "partial_images": "1"}
    with (
        writing_waits(there, begun),
        after_unfinished(lambda _: heard.wait(LONGEST) and begun.wait(LONGEST)),
        httpx2.Client(base_url=served.url, timeout=LONGEST) as client,
    ):
        here = client.post("/v1/jobs", files={"image": CAT}, data=sent).headers["location"]
        with client.stream("GET", f"{here}/events") as listening:
            heard.set()
            lines = [*listening.iter_lines()]
        result = client.get(here).json()["result"]
    assert "event: job.partial_image" not in lines and "event: job.done" in lines
    last = json.loads([line for line in lines if line.startswith("data: ")][-1].removeprefix("data: "))
    assert "Of 1 unfinished picture 1 was left out" in last["result"]["warnings"][-1]
    assert not result["warnings"]


def test_unfinished_pictures_of_large_photographs_are_smaller(client):
    with every_unfinished():
        first, last = streamed(client, file_of(pixels(0, 1500, 900)), 1)
    assert image_of(base64.b64decode(first.b64_json)).size == (MOST_UNFINISHED, 614)
    assert image_of(base64.b64decode(last.b64_json)).size == (1500, 900)
    with every_unfinished():
        first, last = streamed(client, CAT, 1, size="2048x1024")
    assert image_of(base64.b64decode(first.b64_json)).size == (MOST_UNFINISHED, 512)
    assert image_of(base64.b64decode(last.b64_json)).size == (2048, 1024)


@pytest.mark.parametrize("fit", ["crop", "aspect"])
def test_an_unfinished_picture_is_a_smaller_copy(editor, fit):
    """What is composed small is about what is composed in full and made small, and alpha and mask come along."""
    soft = np.asarray(Image.fromarray(pixels(1, 10, 6, 4)).resize((300, 200)))
    photo, mask = Photo.of(soft.copy()), np.zeros((200, 300), np.uint8)
    mask[40:160, 60:240] = 255
    (plain,) = framed(editor.backbone, [photo], fit)
    native = Image.new("RGB", plain.pixels.size, (200, 30, 60))
    for frame in (plain, with_mask(plain, Photo.of(mask))):
        whole = unfinished(native, frame, 10, 300)
        small = unfinished(native, frame, 10, 100)
        assert whole.size == (300, 200) and small.size == (100, 67) and small.mode == whole.mode == "RGBA"
        apart = np.abs(np.asarray(small).astype(int) - np.asarray(whole.resize(small.size, Image.Resampling.LANCZOS)))
        assert np.median(apart) <= 2 and apart.mean() < 6
    inside = smaller(with_mask(plain, Photo.of(mask)), 100).mask
    assert inside.shape == (67, 100) and inside[14:53, 20:80].all() and not inside[:13].any()


@pytest.mark.parametrize(("width", "height"), [(6000, 20), (20, 6000)])
def test_a_very_long_photograph_has_unfinished_pictures(editor, width, height):
    (frame,) = framed(editor.backbone, [Photo.of(pixels(0, width, height))], "crop")
    native = Image.new("RGB", frame.pixels.size)
    assert max(unfinished(native, frame, None, 100).size) == 100


def test_a_small_photograph_is_as_it_was(editor):
    (frame,) = framed(editor.backbone, [Photo.of(pixels())], "crop")
    assert smaller(frame, 40) is frame
