"""Prompts and starts in combination, against plain loops and identities."""

from dataclasses import replace

import pytest
import torch
from diffusers import DDIMScheduler
from torch import Tensor

from tests.runs import TASK, apart, clean, inverted, last, plan, translated
from tests.test_several import pictures
from tests.tiny import scheduler
from tests.watch import calls
from zeroshift.asked.request import Request
from zeroshift.conditioning import Prompts
from zeroshift.control import Refinement
from zeroshift.diffusion.embedding import Embedding, TextRows, between, guidance_rows
from zeroshift.diffusion.noise import random_start
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.framed import framed
from zeroshift.inversion import DDIMInversion, NegativePromptInversion, NoisedStart, RandomStart
from zeroshift.methods import DDIM, SDEdit
from zeroshift.running.translate import translate

EQUAL = 1e-10
STEPS = 4


def ancestor(backbone, steps: int) -> DDIMScheduler:
    """Return diffusers' sampler in float64."""
    reference = scheduler(backbone.scheduler.config.prediction_type)
    reference.alphas_cumprod = reference.alphas_cumprod.double()
    reference.final_alpha_cumprod = reference.alphas_cumprod[0]
    reference.set_timesteps(steps)
    return reference


@torch.no_grad()
def sampled(backbone, x: Tensor, against: Tensor, wanted: Tensor, scale: float, steps: int, first: int = 0) -> Tensor:
    """Sample in a plain loop from step ``first``, both prompts always."""
    reference = ancestor(backbone, steps)
    for t in reference.timesteps[first:]:
        n, c = (backbone.predict(x, int(t), Embedding(tokens)) for tokens in (against, wanted))
        x = reference.step(n + scale * (c - n), t, x).prev_sample
    return x


@pytest.mark.parametrize("scale", [1.0, 5.0])
@pytest.mark.parametrize("inversion", [DDIMInversion(), NegativePromptInversion()])
def test_strength_zero_of_prompts_is_the_reconstruction(backbone, inversion, scale: float):
    """No short cut is taken: the target's rows are asked for all the same."""
    chosen = DDIM(steps=STEPS, guidance_scale=scale, inversion=inversion, conditioning=Prompts(strength=0.0))
    trajectory = inverted(backbone, chosen, clean(2))
    with calls(backbone.unet) as rows:
        step = last(backbone, trajectory, [plan(backbone, chosen, trajectory).branch])
    guided = scale > 1
    source = 4 if guided and isinstance(inversion, DDIMInversion) else 2
    assert rows == [source, 4 if guided else 2] * STEPS
    assert apart(step.targets[0], step.source) <= EQUAL


@pytest.mark.parametrize("conditioning", [Prompts(strength=0.0), Prompts(strength=0.0, negative="a drawing")])
def test_strength_zero_of_prompts_is_the_generated_source(backbone, conditioning):
    chosen = DDIM(steps=STEPS, conditioning=conditioning)
    trajectory = Trajectory(backbone.schedule(STEPS), (clean(1),))
    step = last(backbone, trajectory, [plan(backbone, chosen, trajectory, photograph=False).branch])
    assert apart(step.targets[0], step.source) <= EQUAL
    moved = replace(chosen, conditioning=replace(conditioning, strength=1.0))
    step = last(backbone, trajectory, [plan(backbone, moved, trajectory, photograph=False).branch])
    assert apart(step.targets[0], step.source) > 1e-3


@pytest.mark.parametrize("strength", [0.25, 1.0, 1.5])
def test_strength_of_prompts_against_a_plain_loop(backbone, strength: float):
    chosen = DDIM(steps=STEPS, guidance_scale=3.0, conditioning=Prompts(strength=strength, negative="a drawing"))
    trajectory = inverted(backbone, chosen, clean(1))
    step = last(backbone, trajectory, [plan(backbone, chosen, trajectory).branch])
    n, a, b = (backbone.embed([t]).tokens for t in ("a drawing", TASK.source_prompt, TASK.target_prompt))
    wanted = a + strength * (b - a)
    assert apart(step.targets[0], sampled(backbone, trajectory.start, n, wanted, 3.0, STEPS)) <= EQUAL
    assert apart(step.source, sampled(backbone, trajectory.start, n, a, 3.0, STEPS)) <= EQUAL


def test_negative_prompt_inversion_samples_against_the_source_prompt(backbone):
    """Its source branch is sampled without guidance, whatever the scale, and returns as DDIM's does then."""
    chosen = DDIM(steps=STEPS, guidance_scale=6.0, inversion=NegativePromptInversion())
    trajectory = inverted(backbone, chosen, clean(1))
    step = last(backbone, trajectory, [plan(backbone, chosen, trajectory).branch])
    a, b = (backbone.embed([t]).tokens for t in (TASK.source_prompt, TASK.target_prompt))
    assert torch.equal(trajectory.start, inverted(backbone, DDIM(steps=STEPS), clean(1)).start)
    assert apart(step.targets[0], sampled(backbone, trajectory.start, a, b, 6.0, STEPS)) <= EQUAL
    assert apart(step.source, sampled(backbone, trajectory.start, a, a, 1.0, STEPS)) <= EQUAL


@pytest.mark.parametrize(("steps", "share", "taken"), [(8, 0.75, 6), (5, 0.5, 2), (4, 1.0, 4), (10, 0.1, 1)])
def test_sdedit_against_a_plain_loop(backbone, steps: int, share: float, taken: int):
    chosen = SDEdit(steps=steps, inversion=NoisedStart(noise_strength=share))
    with calls(backbone.unet) as rows:
        step = translated(backbone, chosen, clean(1), seed=9, reconstruct=False)
    assert rows == [2] * taken and step.source is None
    a = ancestor(backbone, steps).alphas_cumprod[ancestor(backbone, steps).timesteps[steps - taken]]
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(9)).double()
    n, c = (backbone.embed([t]).tokens for t in ("", TASK.target_prompt))
    x = a.sqrt() * clean(1) + (1 - a).sqrt() * noise
    assert apart(step.targets[0], sampled(backbone, x, n, c, 7.5, steps, steps - taken)) <= EQUAL


def test_sdedit_of_pictures_together_is_sdedit_of_each(tiny):
    chosen = SDEdit(steps=6)
    together = translated(tiny, chosen, clean(2)).targets[0]
    for n in range(2):
        assert apart(together[n : n + 1], translated(tiny, chosen, clean(2)[n : n + 1]).targets[0]) <= EQUAL


def test_progress_of_a_run_that_begins_in_the_middle_is_whole(tiny):
    chosen = SDEdit(steps=6, inversion=NoisedStart(noise_strength=0.5))
    steps = list(translate(tiny, framed(tiny, pictures(1), "stretch"), [Request(TASK, chosen)], seeds=[0]))
    assert [(s.done, s.total) for s in steps if s.stage == "edit"] == [(1, 3), (2, 3), (3, 3)]
    assert [s.total for s in steps if s.stage == "invert"][-1] == 1 and len(steps[-1].results) == 1


def test_too_little_noise_is_refused():
    with pytest.raises(ValueError, match="noise strength of 0.1 leaves none of 5 steps; take a larger one, or more"):
        SDEdit(steps=5, inversion=NoisedStart(noise_strength=0.1))


def test_a_random_start_has_nothing_of_the_photograph(tiny):
    with pytest.raises(ValueError, match="A random start holds nothing of the photograph"):
        DDIM(steps=STEPS, inversion=RandomStart())
    chosen = DDIM(steps=STEPS, inversion=RandomStart(), extras=(Refinement(),))
    starts = [inverted(tiny, chosen, x0, seed=4).start for x0 in clean(2).split(1)]
    assert torch.equal(*starts) and torch.equal(starts[0], random_start((4, 8, 8), [4]).double())


def embeddings(count: int) -> list[Embedding]:
    generator = torch.Generator().manual_seed(1)
    return [Embedding(torch.randn(2, 3, 5, dtype=torch.float64, generator=generator)) for _ in range(count)]


def test_between_two_prompts_is_exact_at_both_ends():
    a, b, v = embeddings(3)
    assert torch.equal(a.towards(b, 0.0).tokens, a.tokens) and torch.equal(a.towards(b, 1.0).tokens, b.tokens)
    assert apart(a.towards(b, 0.3).tokens, 0.7 * a.tokens + 0.3 * b.tokens) <= 1e-15
    assert a.towards(b, 0.3).values is None
    valued = Embedding(b.tokens, v.tokens)
    assert torch.equal(a.towards(valued, 0.0).for_values, a.tokens)
    assert torch.equal(a.towards(valued, 1.0).for_values, v.tokens)
    assert torch.equal(valued.towards(a, 0.0).for_values, v.tokens)
    assert apart(valued.towards(a, 0.25).for_values, 0.75 * v.tokens + 0.25 * a.tokens) <= 1e-15


def test_rows_between_are_exact_at_both_ends():
    n, s, t, m = embeddings(4)
    source, target = guidance_rows(n, s, 3.0), guidance_rows(m, t, 3.0)
    assert between(source, target, 1.0) is target
    for row, expected in zip(between(source, target, 0.0).embeddings, (n, s), strict=True):
        assert torch.equal(row.tokens, expected.tokens)
    alone = TextRows((s,), (1.0,))
    rows = between(alone, target, 0.0)
    assert rows.weights == (-2.0, 3.0) and all(torch.equal(e.tokens, s.tokens) for e in rows.embeddings)
    half = between(alone, target, 0.5).embeddings
    assert apart(half[0].tokens, (s.tokens + m.tokens) / 2) <= 1e-15
    assert apart(half[1].tokens, (s.tokens + t.tokens) / 2) <= 1e-15
