"""Fresh noise while sampling."""

from dataclasses import replace

import pytest
import torch
from diffusers import DDIMScheduler
from torch import Tensor

from tests.runs import STEPS, TASK, apart, clean, inverted, last, plan, start, translated
from tests.tiny import scheduler
from zeroshift.control import NoControl, SamplingNoise
from zeroshift.methods import DDIM
from zeroshift.running.sampling import sample

EQUAL = 1e-10


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
@torch.no_grad()
def test_sampling_noise_is_diffusers_ancestral_step(backbone, eta: float):
    chosen = DDIM(steps=STEPS, guidance_scale=3.0, control=NoControl(), extras=(SamplingNoise(eta=eta, noise_seed=7),))
    trajectory = start(backbone)
    steps = list(sample(backbone, trajectory, [plan(backbone, chosen, trajectory).branch]))
    reference: DDIMScheduler = scheduler(backbone.scheduler.config.prediction_type)
    reference.alphas_cumprod = reference.alphas_cumprod.double()
    reference.final_alpha_cumprod = reference.alphas_cumprod[0]
    reference.set_timesteps(STEPS)
    n, c = backbone.embed([""]), backbone.embed([TASK.target_prompt])
    generator, x = torch.Generator().manual_seed(7), trajectory.start
    for t, step in zip(reference.timesteps.tolist(), steps, strict=True):
        against, wanted = (backbone.predict(x, t, text) for text in (n, c))
        fresh = torch.randn(4, 8, 8, generator=generator).double()[None]
        x = reference.step(against + 3.0 * (wanted - against), t, x, eta=eta, variance_noise=fresh).prev_sample
        assert apart(step.targets[0], x) <= EQUAL


def test_sampling_noise_of_eta_zero_is_ddim_and_its_seed_chooses_the_rest(tiny):
    def edited(**options) -> Tensor:
        return translated(tiny, DDIM(steps=STEPS, extras=(SamplingNoise(**options),)), clean(1)).targets[0]

    plain = translated(tiny, DDIM(steps=STEPS), clean(1)).targets[0]
    assert apart(edited(eta=0.0), plain) <= EQUAL
    assert apart(edited(eta=0.5), plain) > 1e-3
    assert torch.equal(edited(eta=0.5), edited(eta=0.5, noise_seed=0))
    assert apart(edited(eta=0.5), edited(eta=0.5, noise_seed=1)) > 1e-3


def test_sampling_noise_is_the_same_for_every_picture(tiny):
    chosen = DDIM(steps=STEPS, extras=(SamplingNoise(eta=1.0),))
    together = translated(tiny, chosen, clean(3)).targets[0]
    for n in range(3):
        alone = translated(tiny, chosen, clean(3)[n : n + 1]).targets[0]
        assert apart(together[n : n + 1], alone) <= EQUAL


def test_the_source_branch_gets_no_fresh_noise(tiny):
    chosen = DDIM(steps=STEPS)
    noisy = replace(chosen, extras=(SamplingNoise(eta=1.0),))
    trajectory = inverted(tiny, chosen, clean(1))
    plain, other = (last(tiny, trajectory, [plan(tiny, m, trajectory).branch]) for m in (chosen, noisy))
    assert torch.equal(plain.source, other.source) and apart(plain.targets[0], other.targets[0]) > 1e-3
