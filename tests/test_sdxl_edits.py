"""Stable Diffusion XL edits: inversion and sampling against diffusers, both encoders in directions, deep attention."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMInverseScheduler, DDIMScheduler, StableDiffusionXLImg2ImgPipeline
from PIL import Image

from tests.runs import TASK, apart, clean, inverted, last, plan, prompts
from tests.shell import call, edit
from tests.tiny import WIDTH, scheduler, tiny_clip
from tests.tiny_xl import PROJECTED, SIZES, WIDE, tiny_xl
from tests.watch import installed, running_order
from zeroshift import Editor, load
from zeroshift.backbones.checkpoint import find_configs
from zeroshift.backbones.outline import outline_of
from zeroshift.conditioning import EditDirection
from zeroshift.conditioning.direction import (
    Direction,
    direction_of_words,
    load_direction,
    make_direction,
    save_direction,
)
from zeroshift.conditioning.task import make_task
from zeroshift.cost.estimate import measure
from zeroshift.cost.flops import forward_flops
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.diffusion.sites import Compute, Part, Site, tapped
from zeroshift.inversion import DDIMInversion, NullTextInversion
from zeroshift.methods import DDIM, METHODS, Pix2PixZero, SDEdit
from zeroshift.sentences import template_sentences

CATS, DOGS = template_sentences("cat", 30), template_sentences("dog", 45)
EVERY: frozenset[Part] = frozenset(("q", "k", "v", "probs", "output"))


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    return tiny_xl(tmp_path_factory.mktemp("xl") / "tiny-xl")


@pytest.fixture(scope="module")
def editor(saved) -> Editor:
    return load(saved, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((32, 32), Image.Resampling.BICUBIC)


@torch.no_grad()
def test_inversion_is_diffusers_own_loop(tiny_xl):
    """DDIMInverseScheduler around the UNet with everything that the pipeline tells it, in float64."""
    steps, x, text = 5, clean(1, 8, 12), tiny_xl.embed([TASK.source_prompt])
    inverse = DDIMInverseScheduler.from_config(scheduler().config)
    inverse.alphas_cumprod = inverse.alphas_cumprod.double()
    inverse.initial_alpha_cumprod = inverse.alphas_cumprod[0]
    inverse.set_timesteps(steps)
    told = {"text_embeds": text.pooled, "time_ids": torch.tensor([[32.0, 48, 0, 0, 32, 48]], dtype=torch.float64)}
    reference = x
    for t in inverse.timesteps:
        out = tiny_xl.unet(reference, t, text.tokens, added_cond_kwargs=told).sample
        reference = inverse.step(out, t, reference).prev_sample
    method = DDIM(steps=steps, inversion=DDIMInversion(grid="diffusers"))
    assert apart(inverted(tiny_xl, method, x).start, reference) <= 1e-10


def test_sdedit_is_diffusers_img2img(saved, editor, picture):
    """From picture to picture, in float32."""
    pipeline = StableDiffusionXLImg2ImgPipeline.from_pretrained(saved, add_watermarker=False)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    # the mean, where diffusers draws one: an edit is to be the same when it is made again
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 127.5 - 1
    theirs = pipeline(
        "a photo of a dog",
        image=editor.backbone.encode(pixels),
        strength=0.5,
        num_inference_steps=6,
        guidance_scale=5.0,
        generator=torch.Generator().manual_seed(3),
        original_size=(32, 32),
        target_size=(32, 32),
    ).images[0]
    method = SDEdit(steps=6, guidance_scale=5.0, inversion=replace(SDEdit().inversion, noise_strength=0.5))
    ours = editor.edit(picture, "a photo of a cat", "a photo of a dog", method=method, seed=3).image
    assert ours.size == theirs.size == (32, 32)
    assert np.abs(np.asarray(ours, int) - np.asarray(theirs, int)).max() <= 1
    assert np.abs(np.asarray(ours, int) - np.asarray(picture, int)).max() > 1


def test_a_direction_leads_both_encoders(tiny_xl, tmp_path):
    """Tokens of both side by side, and the pooled vector; one sentence at a time gives the same."""
    direction = make_direction(tiny_xl, CATS, DOGS, ("cat", "dog"), "files")
    cats, dogs = ([tiny_xl.embed([s]) for s in sentences] for sentences in (CATS, DOGS))
    for ours, name in ((direction.delta, "tokens"), (direction.pooled, "pooled")):
        means = [torch.stack([getattr(one, name)[0] for one in some]).mean(0) for some in (dogs, cats)]
        assert ours.dtype == torch.float32 and apart(ours[0].double(), means[0] - means[1]) <= 1e-6
    assert direction.delta.shape[2] == WIDTH + WIDE and direction.pooled.shape == (1, PROJECTED)
    assert direction.pooled.abs().max() > 1e-3
    save_direction(direction, tmp_path / "dog.safetensors")
    again = load_direction(tmp_path / "dog.safetensors")
    assert torch.equal(again.pooled, direction.pooled) and torch.equal(again.delta, direction.delta)
    assert again.sha256 == direction.sha256 != Direction(direction.delta, {}, 2 * direction.pooled).sha256


def test_an_edit_moves_the_pooled_vector_along(tiny_xl):
    direction = direction_of_words(tiny_xl, "cat", "dog", 10)
    for normalise, length in ((False, 1), (True, float(direction.delta.norm()))):
        chosen = Pix2PixZero(steps=2, conditioning=EditDirection(sentences=10, strength=0.5, normalise=normalise))
        trajectory = inverted(tiny_xl, chosen, clean(1))
        moved = plan(tiny_xl, chosen, trajectory).branch.conditioning.target(0).embeddings[-1]
        source = prompts(tiny_xl)
        for name, delta in (("tokens", direction.delta), ("pooled", direction.pooled)):
            wanted = getattr(source, name) + 0.5 * delta.double() / length
            assert apart(getattr(moved, name), wanted) <= 1e-6


def test_directions_of_other_models_are_refused(tiny, tiny_xl):
    of_xl, of_sd = (direction_of_words(backbone, "cat", "dog", 5) for backbone in (tiny_xl, tiny))
    with pytest.raises(ValueError, match=r"is \(16, 16\) and this .* are \(16, 40\) with a pooled vector of 20 \(tok"):
        EditDirection().direction(tiny_xl, make_task("cat", "dog", direction=of_sd))
    with pytest.raises(ValueError, match=r"is \(16, 40\) with a pooled vector of 20 and .* \(16, 16\) \(tokens"):
        EditDirection().direction(tiny, make_task("cat", "dog", direction=of_xl))
    with pytest.raises(ValueError, match=r"^An edit direction's pooled part is one finite vector, .* of \(20,\)\.$"):
        Direction(of_xl.delta, {}, of_xl.pooled[0])


def test_a_learned_negative_prompt_keeps_the_empty_prompts_pooled_vector(tiny_xl):
    """Else what was learned under one would be sampled under another, and nothing would lead home."""
    method = Pix2PixZero(
        steps=3,
        guidance_scale=5.0,
        inversion=NullTextInversion(inner_steps=2),
        conditioning=EditDirection(sentences=10, strength=0.0),
        control=METHODS[1]().control,
    )
    trajectory = inverted(tiny_xl, method, clean(2), seeds=[1, 2])
    step = last(tiny_xl, trajectory, [plan(tiny_xl, method, trajectory).branch])
    assert apart(step.targets[0], step.source) <= 1e-10


@torch.no_grad()
def test_every_layer_of_deep_attention_is_a_site(tiny_xl):
    """In running order, and opened to a listener that changes nothing the network computes what it did."""
    layers = [site for site in tiny_xl.sites if site.kind != "deep"]  # which is half of the network
    modules = {site.name: tiny_xl.unet.get_submodule(site.name) for site in layers}
    text, x = prompts(tiny_xl), clean(1)
    with running_order(modules) as names:
        plain = tiny_xl.predict(x, 321, text)
    assert names == [site.name for site in layers]
    assert sum(site.kind == "cross" for site in tiny_xl.sites) == (2 + 2) + 2 + (2 * 2 + 2 * 2)
    before, seen = installed(tiny_xl.unet), list[tuple[Site, Part]]()

    def listener(site: Site, part: Part, compute: Compute) -> torch.Tensor:
        seen.append((site, part))
        return compute()

    def wanted(site: Site) -> frozenset[Part]:
        return frozenset[Part](("feature",)) if site.kind in ("conv", "deep") else EVERY

    with tapped(tiny_xl, wanted) as taps, taps.listening(listener, wanted):
        assert apart(tiny_xl.predict(x, 321, text), plain) <= 1e-10
    assert set(seen) == {(site, part) for site in tiny_xl.sites for part in wanted(site)}
    assert installed(tiny_xl.unet) == before


def test_the_size_is_told_in_pixels(tiny_xl):
    """Whoever makes a picture of another form tells the network so (section 2.2)."""
    told = []
    handle = tiny_xl.unet.add_embedding.register_forward_pre_hook(lambda _module, args: told.append(args[0]))
    tiny_xl.predict(clean(1, 8, 12), 1, prompts(tiny_xl))
    handle.remove()
    assert told[0].shape == (1, PROJECTED + 6 * SIZES)
    assert torch.equal(
        told[0][:, PROJECTED:], tiny_xl.unet.add_time_proj(torch.tensor([32.0, 48, 0, 0, 32, 48])).reshape(1, -1)
    )


def test_shapes_alone_count_what_the_network_does(saved, tiny_xl):
    outline = outline_of(find_configs(saved, None, None))
    x0 = clean(1).float().to("meta")
    assert forward_flops(outline, x0) == forward_flops(tiny_xl, clean(1))
    assert outline.embed(["a cat"]).pooled.shape == (1, PROJECTED)


@pytest.mark.slow  # shapes take longer to compute than so small a network's numbers
def test_cost_of_an_edit(saved):
    assert measure(SDEdit(steps=4, guidance_scale=1.0), model=saved).first_edit_sf == pytest.approx(3, abs=1e-9)
    along = EditDirection(sentences=5)
    assert measure(Pix2PixZero(steps=4, inversion=DDIMInversion(), conditioning=along), model=saved).maps_held_mb > 0


def test_the_command_line_edits_and_makes_it_again(saved, picture, tmp_path, capsys):
    photo, made, direction = tmp_path / "photo.png", tmp_path / "dog.png", tmp_path / "dog.safetensors"
    picture.save(photo)
    assert edit(capsys, saved, photo, "--output", made, "-q").code == 0
    again = call(capsys, "redo", made, "--output", tmp_path / "again.png", "--model", saved, "-q")
    assert again.code == 0 and (tmp_path / "again.png").read_bytes() == made.read_bytes()
    words = ("--source", "cat", "--target", "dog", "--output", direction)
    assert call(capsys, "direction", "make", *words, "--model", saved, "--threads", "1").code == 0
    assert edit(capsys, saved, photo, "--direction", direction, "--output", tmp_path / "other.png", "-q").code == 0


def test_a_clip_given_apart_sees_pictures(saved, tmp_path):
    with pytest.raises(Unsupported, match="tiny-xl has no CLIP image encoder; give one, by folder or hub"):
        load(saved, device="cpu").backbone.image_tokens(torch.zeros(1, 3, 32, 32))
    seeing = load(saved, device="cpu", precision="fp32", clip=tiny_clip(tmp_path / "clip"))
    assert seeing.backbone.clip.image_features(torch.zeros(1, 3, 32, 32)).shape == (1, 12)
