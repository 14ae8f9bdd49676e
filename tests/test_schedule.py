"""The noise levels against diffusers' schedulers and against published constants."""

from dataclasses import replace

import pytest
import torch
from diffusers import DDIMInverseScheduler, DDIMScheduler, FlowMatchEulerDiscreteScheduler

from tests.tiny import scheduler
from zeroshift.backbones.noise_schedule import schedule_of
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.diffusion.noise import random_start
from zeroshift.diffusion.schedule import Level, Schedule, join
from zeroshift.inversion.grid import transitions

STEPS = (1, 2, 4, 7, 10, 50, 111)
PREDICTIONS = ("epsilon", "v_prediction")
SPACINGS: tuple[dict[str, object], ...] = (
    {},
    {"steps_offset": 0},
    {"steps_offset": 0, "set_alpha_to_one": True},
    {"timestep_spacing": "trailing"},
    {"timestep_spacing": "trailing", "set_alpha_to_one": True, "beta_schedule": "linear"},
    {"timestep_spacing": "trailing", "rescale_betas_zero_snr": True},
    {"timestep_spacing": "linspace"},
    {"timestep_spacing": "linspace", "beta_schedule": "squaredcos_cap_v2", "num_train_timesteps": 400},
)
"""what checkpoints say of their schedules, beside Stable Diffusion's own"""
GRIDS = [(steps, prediction, said) for steps in STEPS for prediction in PREDICTIONS for said in SPACINGS]
GRIDS = [g for g in GRIDS if g[1] == "v_prediction" or "rescale_betas_zero_snr" not in g[2]]
GRIDS += [(steps, prediction, SPACINGS[0]) for steps in (30, 60, 100, 333, 999) for prediction in PREDICTIONS]


def stated(prediction: str = "epsilon", said: dict[str, object] | None = None) -> DDIMScheduler:
    return DDIMScheduler.from_config(scheduler(prediction).config, **(said or {}))


def schedule(steps: int, prediction: str = "epsilon", said: dict[str, object] | None = None) -> Schedule:
    return schedule_of(stated(prediction, said), steps)


def ddim(steps: int, prediction: str, said: dict[str, object] | None = None) -> DDIMScheduler:
    """Return diffusers' sampler in float64 throughout; its own tables are float32."""
    reference = stated(prediction, said)
    reference.alphas_cumprod = reference.alphas_cumprod.double()
    reference.final_alpha_cumprod = reference.final_alpha_cumprod.double()
    reference.set_timesteps(steps)
    return reference


def ddim_inverse(steps: int, prediction: str, said: dict[str, object] | None = None) -> DDIMInverseScheduler:
    reference = DDIMInverseScheduler.from_config(stated(prediction, said).config)
    reference.alphas_cumprod = reference.alphas_cumprod.double()
    reference.initial_alpha_cumprod = reference.initial_alpha_cumprod.double()
    reference.set_timesteps(steps)
    return reference


def latents(count: int, seed: int) -> torch.Tensor:
    return torch.randn(count, 1, 4, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def network(x: torch.Tensor, timestep: int) -> torch.Tensor:
    """Return some smooth function in the place of a network."""
    return torch.sin(x * 1.3 + timestep / 500) * 0.7


def test_constants_of_stable_diffusion():
    levels = schedule(50)
    published = {0: 0.999150, 20: 0.981314, 980: 0.005844, 981: 0.005775}
    assert {t: round(levels.levels(t).alpha ** 2, 6) for t in published} == published
    assert levels.levels(-19) == levels.levels(0) == levels.level(50) == levels.reached(49)
    assert levels.level(0) == levels.levels(981)


@pytest.mark.parametrize(("steps", "prediction", "said"), GRIDS)
def test_timesteps_are_diffusers(steps: int, prediction: str, said: dict[str, object]):
    timesteps = schedule(steps, prediction, said).timesteps
    assert timesteps == tuple(ddim(steps, prediction, said).timesteps.tolist())
    if said.get("timestep_spacing") != "linspace":  # which diffusers' inverse does not know
        assert timesteps[::-1] == tuple(ddim_inverse(steps, prediction, said).timesteps.tolist())


def test_timesteps_of_fifty_and_sixty_steps():
    assert schedule(50).timesteps == tuple(range(981, 0, -20))
    assert schedule(60).timesteps == tuple(range(945, 0, -16))


def test_a_turbo_checkpoint_starts_at_the_last_timestep():
    assert schedule(4, said={"timestep_spacing": "trailing"}).timesteps == (999, 749, 499, 249)


@pytest.mark.parametrize("steps", [61, 201, 457])
def test_steps_where_diffusers_rounds_to_one_more(steps: int):
    ours, theirs = schedule(steps, said={"timestep_spacing": "trailing"}), ddim(steps, "epsilon", SPACINGS[3])
    assert theirs.timesteps.tolist() == [*ours.timesteps, -1]


@pytest.mark.parametrize("steps", [0, -3, 1000, 1001])
def test_impossible_numbers_of_steps(steps: int):
    with pytest.raises(ValueError, match=f"between 1 and 999, not {steps}"):
        schedule(steps)


@pytest.mark.parametrize("steps", [0, 1001])
def test_impossible_numbers_of_steps_to_the_last_timestep(steps: int):
    assert schedule(1000, said=SPACINGS[3]).timesteps == tuple(range(999, -1, -1))
    with pytest.raises(ValueError, match=f"between 1 and 1000, not {steps}"):
        schedule(steps, said=SPACINGS[3])


@pytest.mark.parametrize(("steps", "prediction", "said"), GRIDS)
def test_sampling_is_diffusers_ddim(steps: int, prediction: str, said: dict[str, object]):
    ours, reference = schedule(steps, prediction, said), ddim(steps, prediction, said)
    x = y = latents(1, 0)[0]
    for i, t in enumerate(ours.timesteps):
        x = ours.advance(x, network(x, t), i)
        y = reference.step(network(y, t), t, y).prev_sample
        assert torch.allclose(x, y, rtol=1e-12, atol=1e-12) and x.isfinite().all()


@pytest.mark.parametrize(("steps", "prediction", "said"), GRIDS)
def test_ancestral_sampling_is_diffusers_ddim(steps: int, prediction: str, said: dict[str, object]):
    ours, reference = schedule(steps, prediction, said), ddim(steps, prediction, said)
    x, out, noise = latents(3, 5)
    for i, t in enumerate(ours.timesteps):
        mean = ours.ancestral_mean(*ours.split(x, out, ours.level(i)), i)
        theirs = reference.step(out, t, x, eta=1.0, variance_noise=noise).prev_sample
        reached = mean + ours.deviation(i) * noise
        # diffusers takes the root of 1 - a - sigma^2, which is 0 but for rounding where nothing of the noise is kept:
        # then it can be NaN
        assert reached.isfinite().all()
        assert torch.allclose(reached, theirs, rtol=1e-7, atol=1e-7) or ours.kept(i) == 0


@pytest.mark.parametrize(("steps", "prediction", "said"), [g for g in GRIDS if "linspace" not in g[2].values()])
def test_inversion_as_diffusers_is_its_inverse_ddim(steps: int, prediction: str, said: dict[str, object]):
    ours, reference = schedule(steps, prediction, said), ddim_inverse(steps, prediction, said)
    x = y = latents(1, 1)[0]
    for move in transitions(ours, "diffusers"):
        t = move.timestep
        x = join(*ours.split(x, network(x, t), move.left, move.told), move.reached)
        y = reference.step(network(y, t), torch.tensor(t), y).prev_sample
        assert torch.allclose(x, y, rtol=1e-11, atol=1e-11) and x.isfinite().all()


def test_aligned_inversion_of_noise_predictions_is_as_diffusers():
    ours = schedule(50, "epsilon")
    x, out = torch.randn(2, 1, 4, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    for one, other in zip(transitions(ours, "aligned"), transitions(ours, "diffusers"), strict=True):
        assert one[:3] == other[:3]
        assert torch.equal(ours.split(x, out, one.left, one.told)[0], ours.split(x, out, other.left, other.told)[0])


@pytest.mark.parametrize(("steps", "prediction", "said"), GRIDS)
def test_aligned_inversion_undoes_every_sampling_step(steps: int, prediction: str, said: dict[str, object]):
    """Of one network output the inversion's step is the inverse of the sampler's step with that output."""
    ours, (x, out) = schedule(steps, prediction, said), latents(2, 3)
    for i, move in enumerate(reversed(transitions(ours, "aligned"))):
        assert (move.timestep, move.reached, move.left) == (ours.timesteps[i], ours.level(i), ours.reached(i))
        up = join(*ours.split(x, out, move.left, move.told), move.reached)
        assert torch.allclose(ours.advance(up, out, i), x, rtol=1e-9, atol=1e-9)


PURE = {"timestep_spacing": "trailing", "rescale_betas_zero_snr": True, "set_alpha_to_one": True}


def test_pure_noise_holds_what_a_velocity_says():
    ours, (x, out) = schedule(4, "v_prediction", PURE), latents(2, 6)
    assert (ours.timesteps[0], ours.level(0), ours.level(4)) == (999, Level(0, 1), Level(1, 0))
    x0, eps = ours.split(x, out, ours.level(0))
    assert torch.equal(x0, -out) and torch.equal(eps, x)
    assert ours.deviation(0) == ours.reached(0).sigma and ours.deviation(3) == 0  # all of the noise is new, then none


def test_noise_predictions_say_nothing_of_pure_noise():
    with pytest.raises(Unsupported, match="predicts noise, and at timestep 999 .* must say v_prediction"):
        schedule(4, "epsilon", PURE)
    assert schedule(4, "epsilon", {**PURE, "timestep_spacing": "leading"}).level(0).alpha > 0


def test_one_step_from_the_clean_picture_to_pure_noise_is_refused():
    ours = schedule(1, "v_prediction", PURE)
    with pytest.raises(ValueError, match="whatever the noise"):
        transitions(ours, "aligned")
    (move,), (x, out) = transitions(ours, "diffusers"), latents(2, 7)
    assert torch.equal(join(*ours.split(x, out, move.left, move.told), move.reached), out)


@pytest.mark.parametrize("steps", [1, 2, 7, 28])
@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_a_flow_model_takes_eulers_step(steps: int, shift: float):
    """Velocity eps - x0, alpha 1 - s, sigma s (rectified flow), at timesteps that are not whole."""
    reference = FlowMatchEulerDiscreteScheduler(shift=shift)
    reference.set_timesteps(steps)
    reference.sigmas = reference.sigmas.double()
    at = (1000 * reference.sigmas).tolist()
    ours = Schedule(tuple(at[:-1]), tuple(at[1:]), lambda t: Level(1 - t / 1000, t / 1000), 1000, "flow_prediction")
    x = y = latents(1, 8)[0]
    for i, t in enumerate(reference.timesteps):
        x = ours.advance(x, network(x, ours.timesteps[i]), i)
        y = reference.step(network(y, ours.timesteps[i]), t, y).prev_sample
        assert torch.allclose(x, y, rtol=1e-5, atol=1e-5)  # diffusers' step is float32
    x, out = latents(2, 9)
    for i, move in enumerate(reversed(transitions(ours, "aligned"))):
        up = join(*ours.split(x, out, move.left, move.told), move.reached)
        assert torch.allclose(ours.advance(up, out, i), x, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("steps", "first", "last"), [(50, 20, 980), (60, 16, 944), (100, 10, 990)])
def test_official_grid_drops_both_ends_and_is_one_index_off(steps: int, first: int, last: int):
    ours = schedule(steps)
    asked = [move.timestep for move in transitions(ours, "official")]
    assert asked == list(range(first + 1, last - (1000 // steps) + 2, (1000 // steps))) and len(asked) == steps - 2
    lefts = [ours.levels(t) for t in range(first, last, (1000 // steps))]
    reached = [ours.levels(t) for t in range(first + (1000 // steps), last + 1, (1000 // steps))]
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
    assert all(tiny.schedule(50).level(i) == schedule(50).level(i) for i in range(51))
    assert (tiny.schedule(50).prediction, tiny_v.schedule(50).prediction) == PREDICTIONS


def test_other_predictions_are_refused(tiny):
    with pytest.raises(Unsupported, match="predicts sample; zeroshift edits with"):
        replace(tiny, scheduler=scheduler("sample")).schedule(50)


def test_random_start_depends_on_the_seed_alone():
    three = random_start((4, 5, 6), [7] * 3)
    assert torch.equal(three[1:], three[:2]) and torch.equal(three[:1], random_start((4, 5, 6), [7]))
    assert not torch.equal(three, random_start((4, 5, 6), [8] * 3))
