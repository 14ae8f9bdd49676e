"""Edit-friendly inversion: against a plain loop over the levels, and identities, on a tiny network in float64."""

from math import sqrt

import pytest
import torch
from torch import Tensor

from tests.runs import apart, clean, further_row, inverted, last, plan, prompts, translated
from tests.watch import calls
from zeroshift.conditioning import Prompts
from zeroshift.cost.counting import count
from zeroshift.cost.flops import flops_of, forward_flops
from zeroshift.diffusion.noise import random_start
from zeroshift.diffusion.schedule import join
from zeroshift.diffusion.trajectory import Trajectory, load_trajectory, save_trajectory
from zeroshift.inversion import EditFriendlyInversion
from zeroshift.methods import DDIM, Pix2PixZero

EQUAL, STEPS = 1e-10, 10
STILL = Prompts(strength=0.0)


def edited(conditioning: Prompts | None = None, guidance_scale: float = 3.5, **options: object) -> DDIM:
    inversion = EditFriendlyInversion(**options)
    return DDIM(steps=STEPS, guidance_scale=guidance_scale, inversion=inversion, conditioning=conditioning or Prompts())


@pytest.fixture(params=["epsilon", "v_prediction"])
def backbone(request, tiny, tiny_v):
    return tiny if request.param == "epsilon" else tiny_v


def gaussian(backbone, x: Tensor, t: int, text: tuple[Tensor, Tensor], scale: float) -> tuple[Tensor, float]:
    """Return mean and deviation of one ancestral step from ``x`` under guidance, from its formulas."""
    alphas = backbone.scheduler.alphas_cumprod.double()
    a, p = float(alphas[t]), float(alphas[max(t - 1000 // STEPS, 0)])
    out = [backbone.unet(x, t, tokens).sample for tokens in text]
    out = out[0] + scale * (out[1] - out[0])
    epsilon = backbone.scheduler.config.prediction_type == "epsilon"
    eps = out if epsilon else sqrt(a) * out + sqrt(1 - a) * x
    variance = (1 - p) / (1 - a) * (1 - a / p)
    return sqrt(p) * (x - sqrt(1 - a) * eps) / sqrt(a) + sqrt(1 - p - variance) * eps, sqrt(variance)


@torch.no_grad()
def plain_loop(backbone, trajectory: Trajectory, x0: Tensor, target: str, scale: float) -> tuple[list[Tensor], Tensor]:
    """Return the noise maps of the noised photographs, one level at a time, and the edit sampled with them."""
    empty, source, wanted = (prompts(backbone, 1, text).tokens for text in ("", "a photo of a cat", target))
    timesteps = [1 + 1000 // STEPS * k for k in reversed(range(STEPS))][4:]
    noise, following = [], [*trajectory.latents[1:-1], x0]
    for t, x, after in zip(timesteps, trajectory.latents, following, strict=False):
        mean, sigma = gaussian(backbone, x, t, (empty, source), 3.5)
        noise.append((after - mean) / sigma)
    x = trajectory.latents[0]
    for t, z in zip(timesteps, noise, strict=True):
        mean, sigma = gaussian(backbone, x, t, (empty, wanted), scale)
        x = mean + sigma * z
    return noise, x


def test_noise_maps_and_edit_are_those_of_a_plain_loop(backbone):
    chosen, x0 = edited(guidance_scale=9.0), clean(1)
    trajectory = inverted(backbone, chosen, x0)
    noise, wanted = plain_loop(backbone, trajectory, x0, "a photo of a dog", 9.0)
    assert len(noise) == len(trajectory.noise) == 6 and trajectory.first == 4
    assert all(apart(a, b) <= EQUAL for a, b in zip(trajectory.noise, noise, strict=True))
    ours = last(backbone, trajectory, [plan(backbone, chosen, trajectory).branch]).targets[0]
    assert apart(ours, wanted) <= EQUAL < 1e-3 < apart(ours, x0)


@pytest.mark.parametrize("shift", [0, 150, 999])
def test_with_few_steps_photographs_are_noised_by_less(tiny, shift):
    """What is laid on is the noise of ``shift`` timesteps earlier; steps are those of a plain loop all the same."""
    chosen, x0 = edited(guidance_scale=9.0, noise_shift=shift), clean(1)
    trajectory, plain = inverted(tiny, chosen, x0), inverted(tiny, edited(guidance_scale=9.0), x0)
    for i, x in enumerate(trajectory.latents[:-1]):
        usual = trajectory.schedule.level(trajectory.first + i)
        eps = (plain.latents[i] - usual.alpha * x0) / usual.sigma
        less = trajectory.schedule.levels(max(trajectory.schedule.timesteps[trajectory.first + i] - shift, 0))
        assert apart(x, join(x0, eps, less)) <= EQUAL
    _, wanted = plain_loop(tiny, trajectory, x0, "a photo of a dog", 9.0)
    assert apart(last(tiny, trajectory, [plan(tiny, chosen, trajectory).branch]).targets[0], wanted) <= EQUAL
    still = edited(STILL, noise_shift=shift)
    assert apart(translated(tiny, still, x0).targets[0], x0) <= EQUAL


def test_every_level_has_noise_of_its_own(tiny):
    trajectory = inverted(tiny, edited(), clean(2, 32, 32))
    found = []
    for i, x in enumerate(trajectory.latents[:-1]):
        level = trajectory.schedule.level(trajectory.first + i)
        eps = (x - level.alpha * clean(2, 32, 32)) / level.sigma
        assert apart(eps[0], eps[1]) <= EQUAL  # the same for every picture
        found.append(eps[0].flatten())
    correlation = torch.corrcoef(torch.stack(found))
    assert apart(correlation, torch.eye(6).double()) < 0.1  # 4096 values each
    assert all(float(eps.std()) == pytest.approx(1, abs=0.05) for eps in found)


@pytest.mark.parametrize("chunk", [1, 4, 100])
def test_predicting_levels_at_once_changes_nothing(backbone, chunk):
    one, several = (inverted(backbone, edited(chunk=c), clean(2)) for c in (1, chunk))
    for name in ("latents", "noise"):
        pairs = zip(getattr(one, name), getattr(several, name), strict=True)
        assert all(apart(a, b) <= EQUAL for a, b in pairs)


@pytest.mark.parametrize("chosen", [edited(STILL), edited(STILL, 1.0, inversion_guidance=1.0, skip=0)], ids=str)
def test_equal_prompt_and_guidance_return_the_photograph(backbone, chosen):
    step = translated(backbone, chosen, clean(2))
    assert apart(step.targets[0], clean(2)) <= EQUAL and torch.equal(step.source, clean(2))


def test_source_branch_is_exact_under_any_guidance(tiny):
    step = translated(tiny, edited(guidance_scale=12.0), clean(1))
    assert torch.equal(step.source, clean(1)) and apart(step.targets[0], clean(1)) > 1e-3


def test_without_the_last_noise_the_photograph_does_not_return(tiny):
    chosen = edited(STILL, keep_last_noise=False)
    step = translated(tiny, chosen, clean(1))
    assert apart(step.targets[0], step.source) <= EQUAL < 1e-3 < apart(step.source, clean(1))
    trajectory = inverted(tiny, chosen, clean(1))
    whole = inverted(tiny, edited(STILL), clean(1))
    assert not trajectory.noise[-1].any() and whole.noise[-1].any()
    assert all(torch.equal(a, b) for a, b in zip(trajectory.noise[:-1], whole.noise[:-1], strict=True))


def test_levels_left_out_change_no_other(tiny):
    few, many = (inverted(tiny, edited(skip=skip, chunk=1), clean(1)) for skip in (0.7, 0.2))
    assert (few.first, many.first) == (7, 2)
    assert all(apart(a, b) <= EQUAL for a, b in zip(few.latents, many.latents[5:], strict=True))
    assert not torch.equal(inverted(tiny, edited(), clean(1), seed=4).start, inverted(tiny, edited(), clean(1)).start)


def test_only_what_is_used_is_predicted(tiny):
    with calls(tiny.unet) as rows:
        trajectory = inverted(tiny, edited(chunk=4), clean(3))
    assert rows == [2 * 2 * 3, 4 * 2 * 3]  # levels x prompts x pictures; the first part is the smaller one
    assert EditFriendlyInversion(chunk=4).stages(STEPS) == len(rows)
    with calls(tiny.unet) as rows:
        last(tiny, trajectory, [plan(tiny, edited(), trajectory).branch])
    assert rows == [2 * 3] * 6


def test_batch_of_pictures_is_single_pictures(tiny):
    for chosen in (edited(), Pix2PixZero(steps=STEPS, inversion=EditFriendlyInversion())):
        together = translated(tiny, chosen, clean(2)).targets[0]
        assert apart(together[1:], translated(tiny, chosen, clean(2)[1:]).targets[0]) <= EQUAL


def test_saved_inversions_edit_as_fresh_ones(tiny, tmp_path):
    chosen = edited()
    fresh = inverted(tiny, chosen, clean(1))
    save_trajectory(fresh, tmp_path / "x.safetensors", {"model_sha256": tiny.identity.sha256})
    saved, _ = load_trajectory(tmp_path / "x.safetensors", tiny)
    assert (saved.first, saved.replayed) == (4, True)
    ours, theirs = (last(tiny, t, [plan(tiny, chosen, t).branch]).targets[0] for t in (saved, fresh))
    assert torch.equal(ours, theirs)


def test_a_start_that_leaves_nothing_is_refused():
    with pytest.raises(ValueError, match="A skip of 0.9 leaves none of 2 steps; take a smaller one, or more steps"):
        DDIM(steps=2, inversion=EditFriendlyInversion(skip=0.9))


def test_cost_is_64_pairs_of_rows_at_once_and_64_one_by_one(tiny):
    unit = forward_flops(tiny, clean(1))
    encoded, rows = flops_of(lambda: tiny.embed([""])) / unit, 64 * (1 + further_row(tiny, clean(1)))
    for chunk in (8, 5):
        chosen = DDIM(steps=100, guidance_scale=15, inversion=EditFriendlyInversion(chunk=chunk))
        flops = count(tiny, chosen, clean(1))
        assert flops.one_target / unit == pytest.approx(rows)
        assert flops.inversion / unit == pytest.approx(rows + encoded)


def test_noise_is_drawn_as_elsewhere(tiny):
    """The cleanest level's is what the seed gives first."""
    trajectory = inverted(tiny, edited(), clean(1), seed=5)
    level = trajectory.schedule.level(STEPS - 1)
    eps = (trajectory.latents[-2] - level.alpha * clean(1)) / level.sigma
    assert apart(eps, random_start((4, 8, 8), [5]).double()) <= EQUAL
