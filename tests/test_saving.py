"""Saving memory: results stay what they are, less is held, networks come and go, and "auto" begins when it must."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.runs import SAVINGS, TASK, method
from tests.test_memory import memory_for, photos
from tests.tiny import tiny_backbone
from zeroshift.asked.edits import EditSpec
from zeroshift.asked.request import Request
from zeroshift.backbones import latent, read
from zeroshift.backbones import saving as savings
from zeroshift.backbones.read import saving_of
from zeroshift.backbones.saving import Saving
from zeroshift.cli.recipes import model_flags
from zeroshift.conditioning.shift import EditDirection
from zeroshift.control.guidance import AttentionGuidance
from zeroshift.diffusion.backbone import Backbone
from zeroshift.doubts import Doubt
from zeroshift.editor import Editor
from zeroshift.inversion import NullTextInversion
from zeroshift.inversion.base import CleanLatents, finished
from zeroshift.memory import room as rooms
from zeroshift.memory.held import bytes_held
from zeroshift.memory.need import need, need_to_generate
from zeroshift.methods import MirrorDiffusion, Pix2PixZero, ReDiffuser
from zeroshift.methods.base import inversion_plan
from zeroshift.recipe import parse_recipe
from zeroshift.running import batching
from zeroshift.running.generating import generate_all
from zeroshift.running.looking import look
from zeroshift.running.translate import translate

SHIPPED = {"name": "shipped", "sha256": "0" * 64}
FEW = {"steps": 3, "conditioning": {"words": "swap"}}
GUIDED = [
    *(method(steps=3, control=AttentionGuidance(**options)) for options in SAVINGS),
    method(steps=2, inversion=NullTextInversion(inner_steps=2)),
    MirrorDiffusion(steps=3, conditioning=EditDirection(sentences=20)),
    ReDiffuser(steps=3),
]


@pytest.fixture(scope="module")
def low() -> Backbone:
    return replace(tiny_backbone(torch.float32), saving=Saving("low"))


def photograph(backbone: Backbone) -> CleanLatents:
    pictures = torch.zeros(1, 3, 32, 32)
    return CleanLatents(pictures, backbone.encode(pictures), backbone.embed(["a cat"]))


def edited(backbone: Backbone, chosen: Pix2PixZero) -> bytes:
    return Editor(backbone, {}).edit(photos(1)[0], "cat", "dog", method=chosen).image.tobytes()


@pytest.mark.parametrize("chosen", GUIDED, ids=lambda m: m.name)
@pytest.mark.slow
def test_saving_changes_no_byte_of_a_picture_that_one_tile_holds(low, chosen):
    high = replace(low, saving=Saving("high"))
    assert edited(low, chosen) == edited(high, chosen)


def test_maps_of_all_steps_are_kept_in_half_precision(low):
    chosen = method(steps=3, control=AttentionGuidance(maps_from="inversion"))
    pictures = [edited(one, chosen) for one in (low, replace(low, saving=Saving("high")))]
    assert max(abs(a - b) for a, b in zip(*pictures, strict=True)) <= 1
    trajectory = finished(chosen.inversion.invert(low, photograph(low), inversion_plan(chosen, low, [0])))
    assert {x.dtype for seen in trajectory.maps for x in seen.values()} == {torch.float16}


@pytest.mark.slow
def test_a_saved_pass_holds_less_and_the_count_knows_it(low):
    """Oracle: the run itself on the CPU, where every storage is there."""
    high, short, frames = replace(low, saving=Saving("high")), method(steps=2), [*look(Editor(low, {}), photos(1))]

    def held(backbone: Backbone) -> int:
        return bytes_held(lambda: [*translate(backbone, frames, [Request(TASK, short)], seeds=[0])]).peak

    held(low)  # directions are kept from here on
    assert need(low, [short], (32, 32)) == pytest.approx(held(low), rel=0.1)
    assert held(low) < 0.6 * held(high)


def test_tiles_are_decoded_alone(low, monkeypatch):
    """What a tile's norms and its attention see is the tile; a quarter of it is blended with its neighbour."""
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    whole = tiny_backbone(torch.float32)
    assert torch.allclose(low.encode(x), whole.encode(x), atol=1e-6)  # 64 pixels are less than a tile
    monkeypatch.setattr(savings, "TILE", 32)
    tiled, latents = replace(tiny_backbone(torch.float32), saving=Saving("low")), whole.encode(x)
    assert tiled.encode(x).shape == latents.shape
    alone, among = whole.decode(latents[..., :8, :8]), tiled.decode(latents)
    assert torch.allclose(alone[..., :24, :24], among[..., :24, :24], atol=1e-5) and among.shape == x.shape


@contextmanager
def watched(backbone: Backbone) -> Iterator[tuple[set[nn.Module], list[set[nn.Module]]]]:
    """Networks that lie on the device, and which did whenever one of them ran; nothing moves on a CPU."""
    there, seen = set[nn.Module](), list[set[nn.Module]]()

    def moved(network: nn.Module):
        def to(place: torch.device) -> nn.Module:
            (there.discard if place is savings.REST else there.add)(network)
            return network

        return to

    def ran(network: nn.Module):
        def note(_module: nn.Module, _args: object) -> None:
            assert network in there
            seen.append(set(there))

        return note

    entrances = {n: [n] for n in backbone.networks} | {backbone.vae: [backbone.vae.encoder, backbone.vae.decoder]}
    hooks = [door.register_forward_pre_hook(ran(n)) for n, doors in entrances.items() for door in doors]
    for network in backbone.networks:
        network.to = moved(network)
    try:
        yield there, seen
    finally:
        for hook in hooks:
            hook.remove()
        for network in backbone.networks:
            del network.to


def test_on_a_gpu_only_the_network_that_works_is_there():
    device = torch.device("cpu", 0)  # another name of the CPU stands for the GPU
    backbone = replace(tiny_backbone(torch.float32), saving=Saving("low", device))
    with watched(backbone) as (_, seen):
        Editor(backbone, {}).edit(photos(1)[0], "cat", "dog", method=method(steps=2))
    assert seen and all(len(there) == 1 for there in seen)


def test_what_latents_with_a_graph_were_made_by_stays():
    """A gradient goes back from the picture through the VAE and the UNet."""
    backbone = replace(tiny_backbone(torch.float32), saving=Saving("low", torch.device("cpu", 0)))
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    with watched(backbone) as (there, _):
        out = backbone.predict(x.requires_grad_(), 500, backbone.embed(["a cat"]))
        picture = backbone.decode(out)
        assert there == {backbone.unet, backbone.vae}
        torch.autograd.grad(picture.sum(), x)
        backbone.decode(out.detach())
        assert there == {backbone.vae}


def test_auto_saves_where_one_picture_has_no_room(low, monkeypatch):
    backbone = replace(tiny_backbone(torch.float32), saving=Saving("auto"))
    editor, spec = Editor(backbone, {}), EditSpec(target="dog", source="cat", method="pix2pix-zero", options=FEW)
    assert editor.edit(photos(1)[0], spec) and not backbone.saving.on
    monkeypatch.setattr(rooms, "free_bytes", lambda device: 1000)
    monkeypatch.setattr(batching, "need", lambda *_: 701)  # seven tenths of what is free may be taken
    with pytest.warns(Doubt, match="Memory is short"):
        result = editor.edit(photos(1)[0], spec)
    assert backbone.saving.on and result.image.tobytes() == Editor(low, {}).edit(photos(1)[0], spec).image.tobytes()


def test_auto_saves_where_memory_runs_out_for_one_picture():
    backbone = replace(tiny_backbone(torch.float32), saving=Saving("auto"))
    editor, spec = Editor(backbone, {}), EditSpec(target="dog", source="cat", method="pix2pix-zero", options=FEW)
    with memory_for(backbone, 1) as decoded, pytest.warns(Doubt) as told:
        results = editor.edit(photos(2), spec, batch=2)
    assert len(results) == 2 and decoded == [2, 1, 1] and len(told) == 1  # halves are enough
    with memory_for(backbone, 0) as decoded, pytest.warns(Doubt, match="Memory is short"), pytest.raises(ValueError):
        editor.edit(photos(1)[0], spec)
    assert decoded == [1, 1]


@pytest.mark.slow
def test_prompts_are_generated_as_many_together_as_have_room(tiny, monkeypatch):
    editor, prompts = Editor(tiny, {}), ["a cat", "a dog", "a photo of a cat"]
    counted = need_to_generate(tiny, 5.0)
    asked = {"seeds": [0, 1, 2], "steps": 2, "guidance_scale": 5.0}
    alone = [editor.generate(prompt, seed=seed, steps=2) for seed, prompt in enumerate(prompts)]
    monkeypatch.setattr(rooms, "free_bytes", lambda device: int(2.5 * counted / rooms.TAKEN))
    work = [(part, step) for part, step in generate_all(editor, prompts, **asked) if step.results]
    assert [part for part, _ in work] == [range(2), range(2, 3)]
    pictures = [result.image for _, step in work for (result,) in step.results]
    apart = [np.abs(np.asarray(a).astype(int) - np.asarray(b)) for a, b in zip(pictures, alone, strict=True)]
    assert max(x.max() for x in apart) <= 1
    monkeypatch.setattr(rooms, "free_bytes", lambda device: 1 << 40)
    with memory_for(tiny, 1) as decoded, pytest.warns(Doubt):
        parts = [part for part, step in generate_all(editor, prompts, **asked) if step.results]
    assert decoded == [3, 2, 1, 1, 1] and parts == [range(k, k + 1) for k in range(3)]


def test_what_generating_takes_is_what_it_really_holds(tiny):
    run = Editor(tiny, {}).generate
    assert need_to_generate(tiny, 5.0) == pytest.approx(bytes_held(lambda: run("a cat", steps=2)).peak, rel=0.1)


def test_tiles_are_written_into_recipes(monkeypatch):
    monkeypatch.setattr(savings, "TILE", 16)
    monkeypatch.setattr(latent, "TILE", 16)
    tiled = Editor(replace(tiny_backbone(torch.float32), saving=Saving("low")), {})
    spec = EditSpec(target="dog", source="cat", method="pix2pix-zero", options=FEW)
    result, whole = tiled.edit(photos(1)[0], spec), Editor(tiny_backbone(torch.float32), {}).edit(photos(1)[0], spec)
    assert result.recipe["tile"] == 16 and "tile" not in whole.recipe
    assert (
        model_flags(parse_recipe({**result.recipe, "model": SHIPPED}), Path("x"), None, None, (), None).memory == "low"
    )


def test_auto_saves_from_the_start_where_weights_alone_are_too_large_for_a_gpu(monkeypatch):
    networks, gpu = (nn.Linear(10, 10, bias=False),), torch.device("cuda")
    monkeypatch.setattr(read, "free_bytes", lambda device: 570)  # of which seven tenths are less than 400 bytes
    with pytest.warns(Doubt, match="its parts come and go"):
        assert saving_of(networks, "auto", gpu).on
    assert not saving_of(networks, "high", gpu).on and saving_of(networks, "low", gpu).place == gpu
    assert saving_of(networks, "low", torch.device("cpu")).place is None
    monkeypatch.setattr(read, "free_bytes", lambda device: 580)
    assert not saving_of(networks, "auto", gpu).on
