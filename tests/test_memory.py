"""Bytes held, counted on shapes; how many pictures there is room for; what happens where memory runs out."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from PIL import Image

from tests.runs import TASK, method
from zeroshift.asked.edits import EditSpec
from zeroshift.asked.request import Request
from zeroshift.backbones.twin import twin
from zeroshift.control.guidance import AttentionGuidance
from zeroshift.control.none import NoControl
from zeroshift.doubts import Doubt
from zeroshift.editor import Editor
from zeroshift.image import Photo
from zeroshift.memory import room as rooms
from zeroshift.memory.held import bytes_held
from zeroshift.memory.need import STEPS, need
from zeroshift.memory.room import Room, Shortage, free_bytes, is_shortage
from zeroshift.methods import METHODS
from zeroshift.running.batching import groups
from zeroshift.running.groups import run_groups
from zeroshift.running.looking import look
from zeroshift.running.translate import translate

KIB = 1024


def photos(count: int) -> list[Photo]:
    drawn = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return [Photo.of(Image.fromarray(pixels)) for pixels in drawn]


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_bytes_are_counted_as_long_as_a_tensor_lives(device: str):
    given = torch.ones(KIB // 4, device=device)  # what was there before does not count

    def run() -> torch.Tensor:
        one = given + 1
        two = one * 2
        del one
        three = two.view(2, -1) + given.view(2, -1)  # views hold nothing of their own
        return three[0]

    held = bytes_held(run)
    assert (held.peak, held.left) == (2 * KIB, KIB)


def test_what_a_gradient_keeps_is_counted():
    x, w = torch.ones(KIB // 4, requires_grad=True), torch.ones(KIB // 4)

    def run() -> torch.Tensor:
        return (x * w).sigmoid().tanh()

    assert bytes_held(run).left == 3 * KIB - KIB  # the outputs of sigmoid and tanh; a product keeps its factors
    with torch.no_grad():
        assert bytes_held(run).left == KIB


def test_attention_holds_no_table_on_the_meta_device():
    q = torch.zeros(1, 1, 256, 4, device="meta")
    held = bytes_held(lambda: torch.nn.functional.scaled_dot_product_attention(q, q, q))
    assert held.peak < 4 * 256 * 256


def test_a_twin_takes_shapes_and_leaves_its_model_alone(tiny):
    shapes = twin(tiny)
    assert {x.device.type for x in shapes.unet.parameters()} == {"meta"} and shapes.device.type == "meta"
    assert {x.device.type for x in tiny.unet.parameters()} == {"cpu"} and tiny.clip.vision.device.type == "cpu"
    assert shapes.clip.vision_projection.is_meta and shapes.sites == tiny.sites
    x = torch.zeros(1, 4, 8, 8, device="meta")
    assert shapes.predict(x, 1, shapes.embed(["a cat"])).shape == x.shape


QUICK = ("pix2pix-zero", "plug-and-play", "sdedit")


@pytest.mark.parametrize(
    "kind", [pytest.param(m, id=m.name, marks=[] if m.name in QUICK else pytest.mark.slow) for m in METHODS]
)
def test_need_is_what_a_run_really_holds(tiny, kind):
    """Oracle: the same run on the CPU, where every storage is there."""
    short = kind(steps=STEPS)
    counted = need(tiny, [short], (32, 32))
    editor = Editor(tiny, {})
    frames = [*look(editor, photos(1))]

    def run() -> None:
        *_, _ = translate(tiny, frames, [Request(TASK, short)], seeds=[0])

    bytes_held(run)  # directions are kept from here on
    assert counted == pytest.approx(bytes_held(run).peak, rel=0.1)


@pytest.mark.slow
def test_need_grows_with_pixels_and_precision_and_what_is_differentiated(tiny, tiny_xl):
    plain, guided = method(control=NoControl()), method()
    small, large = (need(tiny, [guided], (side, side)) for side in (32, 64))
    assert 3.5 < large / small < 6
    assert need(tiny, [plain], (64, 64)) < 0.8 * large == 0.8 * need(tiny, [plain, guided], (64, 64))
    assert need(tiny_xl, [guided], (32, 32)) > 0


@pytest.mark.slow
def test_maps_that_an_inversion_keeps_are_counted_for_all_steps(tiny):
    kept = AttentionGuidance(maps_from="inversion")
    few, many = (need(tiny, [method(steps=n, control=kept)], (32, 32)) for n in (2, 52))
    maps = sum(2 * (8 // s.scale) ** 2 * 16 * 8 for s in tiny.sites if s.kind == "cross")  # heads, cells, tokens
    assert many - few == 50 * maps


def test_room_is_for_what_free_memory_holds(monkeypatch):
    monkeypatch.setattr(rooms, "free_bytes", lambda device: 1000)
    asked = []

    def of_picture(requests, size) -> int:
        asked.append(size)
        return size[0]

    room = Room(16, need=of_picture)
    sizes = [(100, 64), (1, 64), (10_000, 64), (100, 64)]
    assert [room.together((), size) for size in sizes] == [7, 16, 1, 7]  # seven tenths of what is free
    assert asked == sizes[:3]  # each kind once
    assert Room(5).together((), (10_000, 64)) == 5  # who says a number gets it
    monkeypatch.setattr(rooms, "free_bytes", lambda device: 1 << 40)
    assert Room(16, need=of_picture).together((), (512, 512)) == 16 and len(asked) == 3  # plenty: nothing is counted


def test_free_memory_is_what_the_host_says():
    assert 0 < free_bytes(torch.device("cpu")) < 1 << 50


def test_a_real_shortage_is_known_from_other_errors():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 50)
    assert is_shortage(caught.value) and is_shortage(MemoryError()) and is_shortage(torch.OutOfMemoryError())
    assert not is_shortage(RuntimeError("shapes differ")) and not is_shortage(ValueError("not enough memory"))


@contextmanager
def memory_for(tiny, pictures: int) -> Iterator[list[int]]:
    """A network that runs out of memory where more pictures are decoded together; yields how many were."""
    seen: list[int] = []

    def look_at(_module, args) -> None:
        seen.append(len(args[0]))
        if len(args[0]) > pictures:
            torch.empty(1 << 50)

    handle = tiny.vae.decoder.register_forward_pre_hook(look_at)
    try:
        yield seen
    finally:
        handle.remove()


def test_where_memory_runs_out_halves_go_on_and_nothing_is_lost(tiny):
    editor, given = Editor(tiny, {}), photos(5)
    spec = EditSpec(
        target="dog", source="cat", method="pix2pix-zero", options={"steps": 2, "conditioning": {"words": "swap"}}
    )
    alone = [editor.edit(picture, spec) for picture in given]
    with memory_for(tiny, 1) as decoded, pytest.warns(Doubt) as told:
        results = editor.edit(given, spec, batch=4)
    assert decoded == [4, 2, 1, 1, 1, 1, 1]
    assert [str(w.message).partition(" pictures")[0][-1] for w in told] == ["4", "2"]  # each size once
    assert [result.image.tobytes() for result in results] == [result.image.tobytes() for result in alone]


def test_one_picture_that_memory_is_too_small_for_is_said_or_noted(tiny):
    editor, spec = Editor(tiny, {}), EditSpec(target="dog", source="cat", options={"steps": 2})
    sentence = "Memory is too small for one picture of 32 x 32 pixels"
    with memory_for(tiny, 0), pytest.raises(Shortage, match=sentence):
        editor.edit(photos(1)[0], spec)
    failed: dict[int, Exception] = {}
    with memory_for(tiny, 0), pytest.warns(Doubt):
        work = groups(editor, look(editor, photos(2)), [spec])
        assert not [step for _, step in run_groups(editor, work, failed=failed) if step.results]
    assert sorted(failed) == [0, 1] and all(isinstance(error, Shortage) for error in failed.values())
