"""The noise levels against diffusers' schedulers and against published constants."""

from dataclasses import replace

import pytest
import torch
from diffusers import DDIMInverseScheduler, DDIMScheduler

from tests.tiny import scheduler
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.diffusion.noise import random_start
from zeroshift.diffusion.schedule import Schedule, join, leading
from zeroshift.inversion.ddim import transitions

STEPS = (30, 50, 60, 100, 999)
PREDICTIONS = ("epsilon", "v_prediction")


def schedule(steps: int, prediction: str = "epsilon") -> Schedule:
    alphas = scheduler().alphas_cumprod.double()
    return Schedule(leading(1000, steps, 1), alphas, float(alphas[0]), prediction)


def ddim(steps: int, prediction: str) -> DDIMScheduler:
    """Return diffusers' sampler in float64 throughout; its own tables are float32."""
    reference = scheduler(prediction)
    reference.alphas_cumprod = reference.alphas_cumprod.double()
    reference.final_alpha_cumprod = reference.alphas_cumprod[0]
    reference.set_timesteps(steps)
    return reference


def ddim_inverse(steps: int, prediction: str) -> DDIMInverseScheduler:
    reference = DDIMInverseScheduler.from_config(scheduler(prediction).config)
    reference.alphas_cumprod = reference.alphas_cumprod.double()
    reference.initial_alpha_cumprod = reference.alphas_cumprod[0]
    reference.set_timesteps(steps)
    return reference


def network(x: torch.Tensor, timestep: int) -> torch.Tensor:
    """Return some smooth function in the place of a network."""
    return torch.sin(x * 1.3 + timestep / 500) * 0.7


def test_constants_of_stable_diffusion():
    levels = schedule(50)
    published = {0: 0.999150, 20: 0.981314, 980: 0.005844, 981: 0.005775}
    assert {t: round(levels.alpha_bar(t), 6) for t in published} == published
    assert levels.alpha_bar(-19) == levels.alpha_bar(0) == levels.final_alpha_cumprod
    assert levels.level(0) == levels.alpha_bar(981) and levels.level(50) == levels.final_alpha_cumprod


@pytest.mark.parametrize("steps", STEPS)
def test_timesteps_are_diffusers(steps: int):
    assert schedule(steps).timesteps == tuple(ddim(steps, "epsilon").timesteps.tolist())
    assert schedule(steps).timesteps[::-1] == tuple(ddim_inverse(steps, "epsilon").timesteps.tolist())


def test_timesteps_of_fifty_and_sixty_steps():
    assert leading(1000, 50, 1) == tuple(range(981, 0, -20))
    assert leading(1000, 60, 1) == tuple(range(945, 0, -16))


@pytest.mark.parametrize("steps", [0, -3, 1000, 1001])
def test_impossible_numbers_of_steps(steps: int):
    with pytest.raises(ValueError, match=f"between 1 and 999, not {steps}"):
        leading(1000, steps, 1)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("steps", STEPS)
def test_sampling_is_diffusers_ddim(steps: int, prediction: str):
    ours, reference = schedule(steps, prediction), ddim(steps, prediction)
    x = y = torch.randn(1, 4, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for i, t in enumerate(ours.timesteps):
        x = ours.advance(x, network(x, t), i)
        y = reference.step(network(y, t), t, y).prev_sample
        assert torch.allclose(x, y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("steps", STEPS)
def test_inversion_as_diffusers_is_its_inverse_ddim(steps: int, prediction: str):
    ours, reference = schedule(steps, prediction), ddim_inverse(steps, prediction)
    x = y = torch.randn(1, 4, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for move in transitions(ours, "diffusers"):
        t = move.timestep
        x = join(*ours.split(x, network(x, t), move.left, move.told), move.reached)
        y = reference.step(network(y, t), torch.tensor(t), y).prev_sample
        assert torch.allclose(x, y, rtol=1e-11, atol=1e-11)


def test_aligned_inversion_of_noise_predictions_is_as_diffusers():
    ours = schedule(50, "epsilon")
    x, out = torch.randn(2, 1, 4, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    for one, other in zip(transitions(ours, "aligned"), transitions(ours, "diffusers"), strict=True):
        assert one[:3] == other[:3]
        assert torch.equal(ours.split(x, out, one.left, one.told)[0], ours.split(x, out, other.left, other.told)[0])


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("steps", STEPS)
def test_aligned_inversion_undoes_every_sampling_step(steps: int, prediction: str):
    """Of one network output the inversion's step is the inverse of the sampler's step with that output."""
    ours = schedule(steps, prediction)
    x, out = torch.randn(2, 1, 4, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    for i, move in enumerate(reversed(transitions(ours, "aligned"))):
        assert (move.timestep, move.reached) == (ours.timesteps[i], ours.level(i))
        up = join(*ours.split(x, out, move.left, move.told), move.reached)
        assert torch.allclose(ours.advance(up, out, i), x, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("steps", "first", "last"), [(50, 20, 980), (60, 16, 944), (100, 10, 990)])
def test_official_grid_drops_both_ends_and_is_one_index_off(steps: int, first: int, last: int):
    ours = schedule(steps)
    asked = [move.timestep for move in transitions(ours, "official")]
    assert asked == list(range(first + 1, last - ours.stride + 2, ours.stride)) and len(asked) == steps - 2
    lefts = [ours.alpha_bar(t) for t in range(first, last, ours.stride)]
    reached = [ours.alpha_bar(t) for t in range(first + ours.stride, last + 1, ours.stride)]
    assert [move[1:3] for move in transitions(ours, "official")] == list(zip(lefts, reached, strict=True))


@pytest.mark.parametrize(
    ("steps", "of_x0", "of_eps"), [(50, 1.015, -0.110), (60, 1.0128, -0.095), (100, 1.0104, -0.070)]
)
def test_round_trip_of_the_official_grid_with_constant_noise(steps: int, of_x0: float, of_eps: float):
    """With a constant noise prediction the official grid returns a known mixture, the aligned one the input."""
    assert round_trip(schedule(steps), "official") == pytest.approx((of_x0, of_eps), abs=6e-4)
    assert round_trip(schedule(steps), "aligned") == pytest.approx((1, 0), abs=1e-12)


def round_trip(levels: Schedule, grid: str) -> tuple[float, float]:
    """Return the coefficients of x0 and eps after inverting and sampling with eps predicted everywhere."""
    eps = torch.tensor([0.0, 1.0], dtype=torch.float64)
    x = torch.tensor([1.0, 0.0], dtype=torch.float64)  # one entry per unknown: the map is linear
    for move in transitions(levels, grid):
        x = join(*levels.split(x, eps, move.left, move.told), move.reached)
    for i in range(levels.steps):
        x = levels.advance(x, eps, i)
    return float(x[0]), float(x[1])


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_split_and_join_are_inverse(prediction: str):
    ours = schedule(50, prediction)
    x = torch.randn(2, 4, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    for i in (0, 25, 50):
        assert torch.allclose(ours.join_at(*ours.split(x, network(x, i), ours.level(i)), i), x, rtol=0, atol=1e-12)


def test_backbone_reads_its_checkpoint(tiny, tiny_v):
    assert tiny.schedule(50).timesteps == schedule(50).timesteps
    assert torch.equal(tiny.schedule(50).alphas_cumprod, schedule(50).alphas_cumprod)
    assert (tiny.schedule(50).prediction, tiny_v.schedule(50).prediction) == PREDICTIONS


def test_other_predictions_are_refused(tiny):
    with pytest.raises(Unsupported, match="predicts sample; zeroshift edits with"):
        replace(tiny, scheduler=scheduler("sample")).schedule(50)


def test_random_start_depends_on_the_seed_alone():
    three = random_start((4, 5, 6), [7] * 3)
    assert torch.equal(three[1:], three[:2]) and torch.equal(three[:1], random_start((4, 5, 6), [7]))
    assert not torch.equal(three, random_start((4, 5, 6), [8] * 3))
