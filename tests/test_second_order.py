"""The second-order solver against diffusers' own."""

from dataclasses import replace
from math import log

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler

from tests.runs import apart, clean, inverted, last, plan, prompts
from zeroshift.control import SecondOrder
from zeroshift.control.base import Control, StepContext
from zeroshift.control.second_order import Extrapolation
from zeroshift.diffusion.embedding import guidance_rows
from zeroshift.diffusion.schedule import join
from zeroshift.diffusion.sites import Taps
from zeroshift.diffusion.trajectory import Trajectory
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
