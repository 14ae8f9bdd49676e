"""pix2pix-zero against two other implementations: the plain oracle of ``oracles`` and diffusers' own pipeline.

In float64; equal means to 1e-10, far above what another order of the same sums costs.
"""

from copy import deepcopy

import pytest
import torch
from diffusers import (
    DDIMInverseScheduler,
    StableDiffusionPipeline,
    StableDiffusionPix2PixZeroPipeline,
)
from torch import Tensor

from tests import oracles
from tests.runs import TASK, apart, clean, inverted, last, method, plan, prompts
from tests.tiny import LENGTH, WIDTH, scheduler
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.conditioning.base import EditContext
from zeroshift.conditioning.direction import Direction
from zeroshift.conditioning.shift import EditDirection
from zeroshift.control.guidance import AttentionGuidance
from zeroshift.diffusion.embedding import Embedding
from zeroshift.diffusion.noise import random_start
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.inversion.base import finished
from zeroshift.inversion.ddim import walk_up
from zeroshift.inversion.noise import draw_rolls, pooling_levels, regularise
from zeroshift.inversion.regularised import RegularisedInversion
from zeroshift.methods.pix2pix_zero import Pix2PixZero
from zeroshift.running.sampling import Branch

EQUAL = 1e-10
STEPS = 4


@pytest.fixture(params=["epsilon", "v_prediction"])
def backbone(request, tiny, tiny_v) -> StableDiffusion:
    return tiny if request.param == "epsilon" else tiny_v


@pytest.fixture
def network(backbone) -> oracles.Network:
    return oracles.expose(backbone.unet, backbone.scheduler)


def delta_of(backbone: StableDiffusion, chosen: Pix2PixZero) -> Tensor:
    direction = chosen.conditioning.direction(backbone, TASK)
    assert direction is not None
    return direction.delta.double()


def drawn(steps: int, height: int, seed: int) -> list[Tensor]:
    """Return the offsets that the regularised inversion draws, one tensor per inversion step."""
    generator = torch.Generator().manual_seed(seed)
    return [draw_rolls(5, 5, height, 4, [generator])[..., 0, :] for _ in range(steps)]


@pytest.mark.parametrize("grid", ["aligned", "diffusers", "official"])
def test_photograph_against_the_oracle(backbone, network, grid: str):
    """Two loops, all maps kept, both rows always: inversion, reconstruction and edit, on latents of 16 x 12."""
    chosen = method(STEPS, inversion=RegularisedInversion(grid=grid))
    x0, c = clean(1, 16, 12), prompts(backbone).tokens
    trajectory = inverted(backbone, chosen, x0, seed=11)
    calls = STEPS - 2 if grid == "official" else STEPS
    latents = oracles.invert(network, x0, c, STEPS, grid, drawn(calls, 16, 11), 20.0, 20.0)
    assert len(latents) == calls and torch.equal(trajectory.latents[-1], x0)
    for ours, theirs in zip(trajectory.latents[:-1], reversed(latents), strict=True):
        assert apart(ours, theirs) <= EQUAL

    step = last(backbone, trajectory, [plan(backbone, chosen, trajectory).branch])
    shifts = [delta_of(backbone, chosen)] * STEPS
    reconstruction, edited = oracles.edit(network, latents[-1], c, c, shifts, guidance=5.0, strength=0.1)
    assert apart(step.source, reconstruction) <= EQUAL and apart(step.targets[0], edited) <= EQUAL
    assert apart(edited, reconstruction) > 1e-2


def test_generated_source_against_the_oracle(backbone, network):
    """From noise, under the empty negative prompt; another guidance scale and weight."""
    chosen = method(STEPS, guidance_scale=7.5, control=AttentionGuidance(lambda_xa=0.3))
    start = random_start((4, 8, 8), [0]).double()
    trajectory = Trajectory(backbone.schedule(STEPS), (start,))
    step = last(backbone, trajectory, [plan(backbone, chosen, trajectory, photograph=False).branch])
    n, c = backbone.embed([""]).tokens, prompts(backbone).tokens
    shifts = [delta_of(backbone, chosen)] * STEPS
    reconstruction, edited = oracles.edit(network, start, n, c, shifts, guidance=7.5, strength=0.3)
    assert apart(step.source, reconstruction) <= EQUAL and apart(step.targets[0], edited) <= EQUAL


@pytest.mark.parametrize("backbone", ["epsilon", pytest.param("v_prediction", marks=pytest.mark.slow)], indirect=True)
@pytest.mark.parametrize("course", ["rising", "falling", "cosine"])
def test_negative_prompt_and_strength_course_against_the_oracle(backbone, network, course: str):
    conditioning = EditDirection(sentences=5, strength=1.5, strength_schedule=course, negative="a drawing")
    chosen = method(STEPS, conditioning)
    trajectory = Trajectory(backbone.schedule(STEPS), (clean(1),))
    step = last(backbone, trajectory, [plan(backbone, chosen, trajectory).branch])
    at = torch.arange(0.5, STEPS, dtype=torch.float64) / STEPS
    share = {"rising": at, "falling": 1 - at, "cosine": 0.5 + 0.5 * torch.cos(torch.pi * at)}[course]
    shifts = [1.5 * float(s) * delta_of(backbone, chosen) for s in share]
    n, c = backbone.embed(["a drawing"]).tokens, prompts(backbone).tokens
    _, edited = oracles.edit(network, clean(1), n, c, shifts, guidance=5.0, strength=0.1)
    assert apart(step.targets[0], edited) <= EQUAL


def double(reference, *tables: str):
    """Give a diffusers scheduler float64 levels; its own are float32."""
    reference.alphas_cumprod = reference.alphas_cumprod.double()
    for table in tables:
        setattr(reference, table, reference.alphas_cumprod[0])
    return reference


def pipeline(backbone: StableDiffusion) -> StableDiffusionPix2PixZeroPipeline:
    """Return diffusers' pipeline on a copy of the network, which it changes."""
    made = StableDiffusionPix2PixZeroPipeline(
        vae=backbone.vae,
        text_encoder=backbone.text_encoder,
        tokenizer=backbone.tokenizer,
        unet=deepcopy(backbone.unet),
        scheduler=double(scheduler(), "final_alpha_cumprod"),
        feature_extractor=None,
        safety_checker=None,
        inverse_scheduler=double(DDIMInverseScheduler.from_config(scheduler().config), "initial_alpha_cumprod"),
        caption_generator=None,
        caption_processor=None,
        requires_safety_checker=False,
    )
    made.set_progress_bar_config(disable=True)
    return made


def diffusers_rolls(height: int, generator: torch.Generator) -> Tensor:
    """Draw one inversion step's offsets as diffusers does: from 0, channel by channel, (outer, inner, levels, C)."""
    levels = pooling_levels(height)
    drawn = [
        [[torch.randint(size // 2, (1,), generator=generator).item() for size in levels] for _channel in range(4)]
        for _step in range(25)
    ]
    return torch.tensor(drawn).view(5, 5, 4, len(levels)).transpose(2, 3)


def test_inversion_against_diffusers(tiny):
    """Options coincide for one picture, noise prediction and the aligned grid; its offsets, zeros too, are injected."""
    x0, c = clean(1, 16, 16), prompts(tiny)
    theirs = pipeline(tiny).invert(
        prompt_embeds=c.tokens,
        image=x0,
        num_inference_steps=STEPS,
        generator=torch.Generator().manual_seed(21),
        output_type="pt",
    )
    generator = torch.Generator().manual_seed(21)

    def regulariser(eps: Tensor) -> Tensor:
        return regularise(eps, diffusers_rolls(16, generator), 20.0, 20.0)

    ours = finished(walk_up(tiny, x0, c, tiny.schedule(STEPS), regulariser=regulariser))
    assert apart(ours.latents[0], theirs.latents) <= EQUAL


@pytest.mark.parametrize(
    ("negative", "guidance", "amount"),
    [
        ("a photo of a cat", 7.5, 0.1),
        ("", 7.5, 0.1),
        ("", 2.0, 0.4),
        pytest.param("a photo of a cat", 2.0, 0.4, marks=pytest.mark.slow),
    ],
)
def test_edit_against_diffusers(tiny, negative: str, guidance: float, amount: float):
    """Its amount is not in SD-512 units: the weight is divided by the units' factor. Also with both prompts equal."""
    generator = torch.Generator().manual_seed(5)
    start, c, n = clean(1), prompts(tiny), tiny.embed([negative])
    cats, dogs = (torch.randn(3, LENGTH, WIDTH, dtype=torch.float64, generator=generator) for _ in range(2))
    theirs = pipeline(tiny)(
        prompt_embeds=c.tokens,
        negative_prompt_embeds=n.tokens,
        source_embeds=cats,
        target_embeds=dogs,
        num_inference_steps=STEPS,
        guidance_scale=guidance,
        latents=start,
        cross_attention_guidance_amount=amount,
        output_type="latent",
    ).images
    delta = (dogs.mean(0) - cats.mean(0))[None]
    pixels = sum((8 // site.scale) ** 2 for site in tiny.sites if site.kind == "cross")
    trajectory = Trajectory(tiny.schedule(STEPS), (start,))
    run = EditContext(tiny, TASK, c, trajectory, guidance, photograph=True, direction=Direction(delta, {}))
    conditioning = EditDirection(negative=None if negative == TASK.source_prompt else negative).bind(run)
    control = AttentionGuidance(lambda_xa=amount * pixels / 26_944).bind(run)
    step = last(tiny, trajectory, [Branch(conditioning, control)])
    assert apart(step.targets[0], theirs) <= EQUAL
    assert apart(step.targets[0], step.source) > 1e-2


@pytest.mark.parametrize("guidance", [1.0, 5.0])
def test_unguided_edit_is_plain_sampling(backbone, guidance: float):
    """Without attention guidance an edit is ordinary guided DDIM under the shifted prompt, as diffusers samples it."""
    chosen = method(STEPS, guidance_scale=guidance, control=AttentionGuidance(lambda_xa=0))
    trajectory = Trajectory(backbone.schedule(STEPS), (clean(1),))
    step = last(backbone, trajectory, [plan(backbone, chosen, trajectory, False).branch], reconstruct=False)
    sampler = StableDiffusionPipeline(
        vae=backbone.vae,
        text_encoder=backbone.text_encoder,
        tokenizer=backbone.tokenizer,
        unet=backbone.unet,
        scheduler=double(scheduler(backbone.scheduler.config.prediction_type), "final_alpha_cumprod"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    sampler.set_progress_bar_config(disable=True)
    theirs = sampler(
        prompt_embeds=Embedding(prompts(backbone).tokens).shift(Embedding(delta_of(backbone, chosen)), 1.0).tokens,
        negative_prompt_embeds=backbone.embed([""]).tokens,
        latents=clean(1),
        num_inference_steps=STEPS,
        guidance_scale=guidance,
        output_type="latent",
    ).images
    assert step.source is None and apart(step.targets[0], theirs) <= EQUAL
