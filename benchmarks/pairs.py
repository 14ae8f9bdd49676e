"""Each method of zeroshift beside the authors' procedure, with the same steps, prompts, noise and options."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.official import (
    direct,
    edit_friendly,
    mirror_diffusion,
    null_text,
    pix2pix_zero,
    plug_and_play,
    pnp_diffusers,
    prompt_to_prompt,
    sdedit,
    style_diffusion,
)
from benchmarks.official.model import Work
from benchmarks.setting import SEED, TASK, Pair, Setting
from zeroshift.backbones.clip import Towers
from zeroshift.conditioning import Prompts
from zeroshift.control import AttentionGuidance, MirrorGuidance, PromptToPrompt, Replay
from zeroshift.control.blend import blend_sites
from zeroshift.control.guidance import in_units
from zeroshift.diffusion.noise import random_start
from zeroshift.inversion import (
    DirectInversion,
    EditFriendlyInversion,
    NoisedStart,
    NullTextInversion,
    Redescription,
    RegularisedInversion,
    ValueEmbedding,
)
from zeroshift.inversion.mapping import draw_network
from zeroshift.inversion.noise import draw_rolls
from zeroshift.methods import DDIM, MirrorDiffusion, Pix2PixZero, PlugAndPlay, SDEdit, StyleDiffusion
from zeroshift.methods import PromptToPrompt as P2P

NEGATIVE = "ugly, blurry, black, low res, unrealistic"


def of_pix2pix_zero(at: Setting) -> Pair:
    inversion, control = RegularisedInversion(grid="official"), AttentionGuidance()
    method = Pix2PixZero(steps=at.steps or 50, inversion=inversion, control=control)

    def rolls(x0: Tensor) -> Iterator[pix2pix_zero.Rolls]:
        generator = torch.Generator().manual_seed(SEED)
        while True:
            yield draw_rolls(inversion.reg_steps, inversion.ac_rolls, x0.shape[2], x0.shape[1], [generator])[
                ..., 0, :
            ].tolist()

    def official(x0: Tensor) -> Work:
        caption, delta = at.text(TASK.source_prompt), at.direction.delta.to(x0)
        amount = in_units(control.lambda_xa, x0, at.backbone.sites)
        return pix2pix_zero.edit(at.model, x0, caption, delta, rolls(x0), steps=method.steps, amount=amount)

    return Pair(method, official, pix2pix_zero.units(method.steps))


def of_plug_and_play(at: Setting) -> Pair:
    """Ours inverts in as many steps as it samples."""
    return replace(of_plug_and_play_999(at), method=PlugAndPlay(steps=at.steps or 50), equal=False)


def of_plug_and_play_999(at: Setting) -> Pair:
    """Both invert in 999 steps."""
    inversion = DirectInversion(inversion_prompt="", inversion_steps=at.inversion_steps)
    method = PlugAndPlay(steps=at.steps or 50, inversion=inversion)

    def official(x0: Tensor) -> Work:
        _, target, empty = at.prompts()
        steps = at.inversion_steps
        return pnp_diffusers.edit(
            at.model, x0, target, at.text(NEGATIVE), empty, steps=method.steps, inversion_steps=steps
        )

    return Pair(method, official, pnp_diffusers.units(method.steps, at.inversion_steps))


def of_plug_and_play_first(at: Setting) -> Pair:
    """The first code samples its source again, from a noisier latent than its first timestep's: results differ."""
    inversion = DirectInversion(inversion_prompt="", grid="source", inversion_steps=at.inversion_steps)
    prompts = Prompts(source_text="", negative=NEGATIVE, empty_share=1.0, empty_schedule="linear")
    method = PlugAndPlay(
        steps=at.steps or 50,
        guidance_scale=10.0,
        inversion=inversion,
        conditioning=prompts,
        control=Replay(inclusive=True),
    )

    def official(x0: Tensor) -> Work:
        _, target, empty = at.prompts()
        steps = at.inversion_steps
        return plug_and_play.edit(
            at.model, x0, target, at.text(NEGATIVE), empty, steps=method.steps, inversion_steps=steps
        )

    return Pair(method, official, plug_and_play.units(method.steps, at.inversion_steps), equal=False)


def of_style_diffusion(at: Setting) -> Pair:
    inner, control = at.inner_steps or 100, PromptToPrompt(cross_until=0.6, self_until=0.6)
    inversion = ValueEmbedding(inner_steps=inner, stop_loss=0.0)
    method = StyleDiffusion(steps=at.steps or 30, inversion=inversion, control=control)
    scale = next(iter(blend_sites(at.backbone.sites))).scale

    def official(x0: Tensor) -> Work:
        image = seen_by_encoder(at, prod(side // scale for side in x0.shape[-2:]))
        controller = at.controller(method.steps, control)
        return style_diffusion.edit(at.model, x0, *at.prompts(), image, controller, inner_steps=inner, stop=0)

    return Pair(method, official, style_diffusion.units(method.steps, inner))


def seen_by_encoder(at: Setting, pixels: int) -> style_diffusion.Image:
    """The photograph prepared for the image encoder, which runs anew at every call."""
    towers = at.backbone.clip
    assert isinstance(towers, Towers)
    vision, side = towers.vision, towers.vision.config.image_size
    small = F.interpolate(at.pictures, (side, side), mode="bicubic")
    mean, deviation = (small.new_tensor(colour)[:, None, None] for colour in (towers.mean, towers.deviation))
    seen = (((small + 1) / 2 - mean) / deviation).to(vision.dtype)

    def encode() -> Tensor:
        tokens: Tensor = vision.post_layernorm(vision(pixel_values=seen).last_hidden_state)
        return tokens

    length = at.backbone.tokenizer.model_max_length
    inputs = (side // vision.config.patch_size) ** 2 + 1
    start = [p.to(seen) for p in draw_network(inputs, 2 * length, 2 * length, 1, SEED)]
    return style_diffusion.Image(encode, list(vision.parameters()), start, pixels)


def of_mirror_diffusion(at: Setting) -> Pair:
    inner, control = at.inner_steps or 10, MirrorGuidance(cycle_twice=True)
    inversion = Redescription(official=True, inner_steps=inner, stop_loss=0.0, stop_rise=0.0)
    method = MirrorDiffusion(steps=at.steps or 60, inversion=inversion, control=control)

    def official(x0: Tensor) -> Work:
        caption, delta, steps = at.text(TASK.source_prompt), at.direction.delta.to(x0), method.steps
        amount = in_units(control.lambda_xa, x0, at.backbone.sites)
        return mirror_diffusion.edit(
            at.model, x0, caption, delta, steps=steps, amount=amount, inner_steps=inner, stop=0
        )

    return Pair(method, official, mirror_diffusion.units(method.steps, inner))


def of_prompt_to_prompt(at: Setting) -> Pair:
    control = PromptToPrompt()
    method = P2P(steps=at.steps or 50, control=control)

    def official(x0: Tensor) -> Work:
        return prompt_to_prompt.edit(at.model, x0, *at.prompts(), at.controller(method.steps, control))

    return Pair(method, official, prompt_to_prompt.units(method.steps))


def of_direct(at: Setting) -> Pair:
    control = PromptToPrompt(cross_until=0.4, self_until=0.6)
    method = P2P(steps=at.steps or 50, inversion=DirectInversion(), control=control)

    def official(x0: Tensor) -> Work:
        return direct.edit(at.model, x0, *at.prompts(), at.controller(method.steps, control))

    return Pair(method, official, direct.units(method.steps))


def of_null_text(at: Setting) -> Pair:
    inner, control = at.inner_steps or 10, PromptToPrompt()
    inversion = NullTextInversion(inner_steps=inner, stop_loss=0.0)
    method = P2P(steps=at.steps or 50, inversion=inversion, control=control)

    def official(x0: Tensor) -> Work:
        controller = at.controller(method.steps, control)
        return null_text.edit(at.model, x0, *at.prompts(), controller, inner_steps=inner, stop=0)

    return Pair(method, official, null_text.units(method.steps, inner))


def of_edit_friendly(at: Setting) -> Pair:
    inversion = EditFriendlyInversion(skip=0.36, keep_last_noise=False)
    method = DDIM(steps=at.steps or 100, guidance_scale=15.0, inversion=inversion)
    skip = inversion.first(method.steps)

    def official(x0: Tensor) -> Work:
        return edit_friendly.edit(at.model, x0, *at.prompts(), level_noise(x0, method.steps), skip=skip)

    return Pair(method, official, edit_friendly.units(method.steps, skip))


def of_edit_friendly_p2p(at: Setting) -> Pair:
    inversion, scale = EditFriendlyInversion(skip=0.12, keep_last_noise=False), 9.0
    control, prompts = PromptToPrompt(cross_until=0.6, self_until=0.2, self_scale=4), Prompts(source_guidance=3.5)
    method = P2P(
        steps=at.steps or 100, guidance_scale=scale, inversion=inversion, conditioning=prompts, control=control
    )
    skip = inversion.first(method.steps)

    def official(x0: Tensor) -> Work:
        noise, controller = level_noise(x0, method.steps), at.controller(method.steps, control)
        return edit_friendly.edit(
            at.model, x0, *at.prompts(), noise, skip=skip, target_scale=scale, controller=controller
        )

    return Pair(method, official, edit_friendly.units(method.steps, skip))


def level_noise(x0: Tensor, steps: int) -> list[Tensor]:
    """The noise of every level, noisiest first; zeroshift draws it from the cleanest on."""
    generator = torch.Generator().manual_seed(SEED)
    return [torch.randn(x0.shape, generator=generator).to(x0) for _ in range(steps)][::-1]


def of_sdedit(at: Setting) -> Pair:
    inversion = NoisedStart(noise_strength=0.75)
    method, strength = SDEdit(steps=at.steps or 50, inversion=inversion), inversion.noise_strength

    def official(x0: Tensor) -> Work:
        _, target, empty = at.prompts()
        noise = random_start(x0.shape[1:], [SEED] * len(x0)).to(x0)
        return sdedit.edit(at.model, x0, target, empty, noise, steps=method.steps, strength=strength)

    return Pair(method, official, sdedit.units(method.steps, strength))


PAIRS: Mapping[str, Callable[[Setting], Pair]] = {
    "pix2pix-zero": of_pix2pix_zero,
    "plug-and-play": of_plug_and_play,
    "plug-and-play, 999 inversion steps": of_plug_and_play_999,
    "plug-and-play, first code": of_plug_and_play_first,
    "style-diffusion": of_style_diffusion,
    "mirror-diffusion": of_mirror_diffusion,
    "prompt-to-prompt": of_prompt_to_prompt,
    "prompt-to-prompt + direct": of_direct,
    "prompt-to-prompt + null-text": of_null_text,
    "prompt-to-prompt + edit-friendly": of_edit_friendly_p2p,
    "edit-friendly": of_edit_friendly,
    "sdedit": of_sdedit,
}
