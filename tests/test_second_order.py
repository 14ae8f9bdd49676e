"""The second-order solver against diffusers' own."""

from dataclasses import replace
from math import log

import pytest
import torch
from diffusers import DPMSolverMultistepInverseScheduler, DPMSolverMultistepScheduler

from tests.runs import apart, clean, inverted, last, plan, prompts, translated
from zeroshift.control import SecondOrder
from zeroshift.control.base import Control, StepContext
from zeroshift.control.second_order import Extrapolation
from zeroshift.diffusion.embedding import guidance_rows
from zeroshift.diffusion.schedule import join
from zeroshift.diffusion.sites import Taps
from zeroshift.diffusion.trajectory import Trajectory, load_trajectory, save_trajectory
from zeroshift.inversion import DDIMInversion, DirectInversion
from zeroshift.methods import DDIM


@pytest.mark.parametrize("network", ["tiny", "tiny_v"])
def test_a_run_against_diffusers(request, network):
    """Every step but the first and the last is diffusers' multistep update at the same levels."""
    backbone = request.getfixturevalue(network)
    method = DDIM(steps=6, extras=(SecondOrder(),))
    start = inverted(backbone, method, clean(1))
    schedule = start.schedule
    steps = plan(backbone, method, start).branch
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    original = steps.control.controls[1].steer

    class Watched(Control):
        def steer(self, x0, eps, x, here):
            seen.append((x0, x))
            return original(x0, eps, x, here)

    end = last(backbone, start, [replace(steps, control=Watched())]).targets[0]
    theirs = DPMSolverMultistepScheduler(algorithm_type="dpmsolver++", solver_order=2, solver_type="midpoint")
    levels = [schedule.level(i) for i in range(schedule.steps + 1)]
    theirs.sigmas = torch.tensor([level.sigma / level.alpha for level in levels], dtype=torch.float64)
    for i in range(1, schedule.steps):
        theirs._step_index = i
        wanted = theirs.multistep_dpm_solver_second_order_update([seen[i - 1][0], seen[i][0]], sample=seen[i][1])
        reached = seen[i + 1][1] if i + 1 < schedule.steps else end
        assert apart(wanted, reached) <= 1e-10


def test_what_is_linear_in_the_log_ratio_is_met_in_the_middle(tiny):
    """A clean part that changes by the half log of the signal-to-noise ratio is exact in the middle of the step."""
    schedule, control = tiny.schedule(5), Extrapolation()
    x = clean(1)
    trajectory = Trajectory(schedule, (x,))
    places = [log(at.alpha / at.sigma) for at in map(schedule.level, range(schedule.steps + 1))]
    for i in trajectory.steps:
        here = StepContext(tiny, trajectory, Taps(()), i, guidance_rows(prompts(tiny), prompts(tiny), 1.0), ())
        x0, eps = control.steer(torch.full_like(x, places[i]), torch.zeros_like(x), x, here)
        if i:
            assert apart(x0, torch.full_like(x, (places[i] + places[i + 1]) / 2)) <= 1e-10
            assert apart(join(x0, eps, schedule.level(i)), x) <= 1e-10


@pytest.mark.parametrize("network", ["tiny", "tiny_v"])
def test_an_inversion_against_diffusers(request, network):
    """DPMSolverMultistepInverseScheduler, asked at the same timesteps and led to the same levels."""
    backbone = request.getfixturevalue(network)
    found = inverted(backbone, DDIM(steps=6, inversion=DDIMInversion(grid="multistep")), clean(1))
    schedule = found.schedule
    betas = backbone.scheduler.betas.numpy()
    theirs = DPMSolverMultistepInverseScheduler(
        trained_betas=betas,
        prediction_type=backbone.scheduler.config.prediction_type,
        algorithm_type="dpmsolver++",
        solver_order=2,
        lower_order_final=False,
    )
    theirs.set_timesteps(6)
    levels = [schedule.level(i) for i in range(schedule.steps, -1, -1)]
    theirs.sigmas = torch.tensor([level.sigma / level.alpha for level in levels], dtype=torch.float64)
    theirs.timesteps = torch.tensor([max(end, 0) for end in reversed(schedule.ends)])
    x, prompt = clean(1), prompts(backbone)
    assert len(found.latents) == schedule.steps + 1
    for timestep, ours in zip(theirs.timesteps, found.latents[-2::-1], strict=True):
        x = theirs.step(backbone.predict(x, float(timestep), prompt), timestep, x).prev_sample
        assert apart(x, ours) <= 1e-6  # their levels are rounded to float32
    first = DDIM(steps=6, inversion=DDIMInversion(grid="source"))
    assert apart(found.start, inverted(backbone, first, clean(1)).start) > 1e-4


def test_source_and_target_take_the_steps_of_the_extra(tiny):
    """After an inversion of second order both branches sample as a target with the extra does."""
    chosen = DDIM(steps=6, guidance_scale=1.0, inversion=DDIMInversion(grid="multistep"))
    start = inverted(tiny, chosen, clean(1))
    both = last(tiny, start, [plan(tiny, chosen, start).branch], reconstruct=True)
    extra = replace(chosen, inversion=DDIMInversion(grid="source"), extras=(SecondOrder(),))
    alone = last(tiny, replace(start, multistep=False), [plan(tiny, extra, start).branch])
    assert apart(both.targets[0], alone.targets[0]) <= 1e-12
    still = replace(chosen, conditioning=replace(chosen.conditioning, strength=0.0))
    target = last(tiny, start, [plan(tiny, still, start).branch]).targets[0]
    assert apart(both.source, target) <= 1e-12
    assert apart(both.source, both.targets[0]) > 1e-4


def test_with_the_offset_second_order_returns_the_photograph(tiny):
    exact = DDIM(steps=5, inversion=DirectInversion(grid="multistep", offset_target=True))
    still = replace(exact, conditioning=replace(exact.conditioning, strength=0.0))
    assert apart(translated(tiny, still, clean(1)).targets[0], clean(1)) <= 1e-10


def test_a_saved_inversion_keeps_its_solver(tiny, tmp_path):
    start = inverted(tiny, DDIM(steps=4, inversion=DDIMInversion(grid="multistep")), clean(1))
    save_trajectory(start, tmp_path / "kept.safetensors", {"model_sha256": tiny.identity.sha256})
    assert load_trajectory(tmp_path / "kept.safetensors", tiny)[0].multistep
    assert start.sha256(0) != replace(start, multistep=False).sha256(0)


def test_the_extra_is_refused_where_steps_are_of_second_order():
    with pytest.raises(ValueError, match="of second order already"):
        DDIM(inversion=DDIMInversion(grid="multistep"), extras=(SecondOrder(),))
