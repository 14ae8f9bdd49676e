"""Prompt redescription: when it stops, where it starts, what it costs and what it reaches."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.runs import apart, clean, finished, prompts
from tests.tiny import tiny_backbone
from tests.watch import calls
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.diffusion.embedding import Embedding
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.inversion import CleanLatents, DDIMInversion, InversionContext, Redescription
from zeroshift.inversion.redescription import StepBack
from zeroshift.inversion.shortened import iterations, with_iterations

EQUAL = 1e-10
STEPS = 5
LITTLE = Redescription(lambda_kl=0.3, learning_rate=0.1, inner_steps=3)
"""the KL step is for latents of 16 384 values, and these have 256"""
NEVER, ALWAYS = {"stop_loss": 0.0, "stop_rise": 0.0}, {"stop_loss": 1e6}


def inverted(backbone: StableDiffusion, inversion: Redescription, x0: Tensor) -> Trajectory:
    photograph = CleanLatents(torch.zeros(len(x0), 3, 32, 32), x0, prompts(backbone, len(x0)))
    return finished(inversion.invert(backbone, photograph, InversionContext(STEPS, 5.0, (0,))))


def up(backbone: StableDiffusion, inversion: Redescription, x0: Tensor) -> list[Tensor]:
    """Return the latents that the inversion itself passes through, noisiest first."""
    photograph = CleanLatents(torch.zeros(len(x0), 3, 32, 32), x0, prompts(backbone, len(x0)))
    *latents, _ = zip(
        inversion.invert(backbone, photograph, InversionContext(STEPS, 5.0, (0,))), range(STEPS + 1), strict=False
    )
    return [x for x, _ in latents][::-1] + [x0]


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        (ALWAYS, STEPS + STEPS),
        ({**ALWAYS, "inner_steps": 0}, STEPS + STEPS),
        (NEVER, STEPS + STEPS * (3 + 1)),
        ({**NEVER, "optimiser": "gradient"}, STEPS + STEPS * (3 + 1)),
        ({"optimiser": "residual"}, STEPS + STEPS),
        ({**ALWAYS, "official": True}, STEPS - 2 + STEPS * 2),
    ],
)
def test_rows_that_are_predicted(tiny, options: dict[str, object], rows: int):
    """A step that lands well is one pass, its test and the step itself; one that does not, one more per rewrite."""
    with calls(tiny.unet) as seen:
        inverted(tiny, replace(LITTLE, **options), clean(1))
    assert sum(seen) == rows == len(seen)


def test_a_picture_that_is_done_is_predicted_no_more(tiny):
    """Each picture of a batch takes as many rows as alone."""
    inversion, alone = replace(LITTLE, stop_loss=3e-2, stop_rise=0.0), 0
    for k in range(3):
        with calls(tiny.unet) as seen:
            inverted(tiny, inversion, clean(3)[k : k + 1])
        alone += sum(seen)
    with calls(tiny.unet) as seen:
        inverted(tiny, inversion, clean(3))
    assert sum(seen) == alone and len(set(seen)) > 1


def test_a_step_that_lands_well_leaves_the_prompt_alone(tiny):
    trajectory = inverted(tiny, replace(LITTLE, **ALWAYS), clean(1))
    for tokens in trajectory.learned.prompts:
        assert torch.equal(tokens, prompts(tiny).tokens)


def test_each_step_begins_with_the_prompt_of_the_one_before(tiny):
    """Of Adam at a rate that has fallen to 40 % at most, no coordinate goes farther than its first steps allow."""
    trajectory = inverted(tiny, replace(LITTLE, **NEVER, inner_steps=1), clean(1))
    before = prompts(tiny).tokens
    for i, tokens in enumerate(trajectory.learned.prompts):
        rate = 0.1 * (1 - 0.6 * i / STEPS)
        assert 0.99 * rate <= apart(tokens, before) <= rate + 1e-12
        before = tokens
    assert apart(before, prompts(tiny).tokens) > 0.2


def test_rewriting_brings_the_way_back_closer_to_the_inversion(tiny):
    targets, gaps = up(tiny, LITTLE, clean(1)), []
    for each in (0, 12):
        path = inverted(tiny, replace(LITTLE, **NEVER, learning_rate=0.3, inner_steps=each), clean(1)).latents
        gaps.append(sum(float((a - b).square().mean()) for a, b in zip(path, targets, strict=True)))
    assert gaps[1] < 0.9 * gaps[0]


def test_a_gradient_step_is_the_papers_formula(tiny):
    """c_rewrite = c - lambda grad L, L the mean squared error of the step."""
    inversion = replace(LITTLE, **NEVER, optimiser="gradient", inner_steps=1, step_size=3.0)
    trajectory = inverted(tiny, inversion, clean(1))
    schedule, c = tiny.schedule(STEPS), prompts(tiny).tokens.clone().requires_grad_()
    x, y = up(tiny, inversion, clean(1))[:2]
    loss = (schedule.advance(x, tiny.predict(x, schedule.timesteps[0], Embedding(c)), 0) - y).square().mean()
    loss.backward()
    assert apart(trajectory.learned.prompts[0], (c - 3.0 * c.grad).detach()) <= EQUAL
    assert apart(trajectory.learned.prompts[0], c.detach()) > 1e-6


def test_residuals_return_the_photograph_exactly(tiny):
    trajectory = inverted(tiny, replace(LITTLE, optimiser="residual"), clean(1))
    for reached, wanted in zip(trajectory.latents, up(tiny, LITTLE, clean(1)), strict=True):
        assert torch.equal(reached, wanted)
    assert not trajectory.learned.prompts
    schedule, x = tiny.schedule(STEPS), trajectory.start
    for i in trajectory.steps:
        out = tiny.predict(x, schedule.timesteps[i], prompts(tiny))
        x = trajectory.advance(*schedule.split(x, out, schedule.level(i)), i)
    assert apart(x, clean(1)) <= EQUAL


def test_without_regularisation_it_walks_up_as_plain_ddim(tiny):
    photograph = CleanLatents(torch.zeros(1, 3, 32, 32), clean(1), prompts(tiny))
    ddim = finished(DDIMInversion().invert(tiny, photograph, InversionContext(STEPS, 5.0, (0,))))
    for options in ({"lambda_kl": 0.0}, {"reg_steps": 0}):
        ours = inverted(tiny, replace(LITTLE, inner_steps=0, **options), clean(1))
        assert torch.equal(ours.start, ddim.start)
    assert apart(inverted(tiny, LITTLE, clean(1)).start, ddim.start) > 1e-2


def test_it_says_how_long_it_takes(tiny):
    photograph = CleanLatents(torch.zeros(1, 3, 32, 32), clean(1), prompts(tiny))
    for inversion in (LITTLE, replace(LITTLE, official=True), replace(LITTLE, optimiser="residual")):
        assert len(list(inversion.invert(tiny, photograph, InversionContext(STEPS, 5.0, (0,))))) == inversion.stages(
            STEPS
        )
    assert iterations(LITTLE, STEPS) == iterations(with_iterations(LITTLE, 3), STEPS) == 3 * STEPS
    assert iterations(replace(LITTLE, optimiser="residual"), STEPS) == 0


@pytest.mark.parametrize(
    ("options", "steps", "words"),
    [
        ({"official": True}, 2, "The official grid drops"),
        ({"official": True, "optimiser": "residual"}, 6, "The authors' code adds no residuals"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, object], steps: int, words: str):
    with pytest.raises(ValueError, match=words):
        Redescription(**options).check(steps)


def test_half_precision_has_a_gradient(tiny):
    """One that is computed at a larger scale: the loss's own is smaller than fp16's least number."""
    x, c = clean(1, 16, 16).float(), Embedding(prompts(tiny).tokens.float())
    inversion = replace(LITTLE, **NEVER, optimiser="gradient", inner_steps=1, step_size=1e6)
    steps = []
    for backbone in (tiny_backbone(torch.float16), tiny_backbone(torch.float32)):
        step = StepBack(backbone, backbone.schedule(50), 45, x, x)
        close = replace(step, target=step.reached(c, torch.tensor([0])) + 1e-3)
        with torch.no_grad():
            steps.append(inversion.rewritten(close, c)[0].tokens - c.tokens)
    assert apart(*steps) <= 0.1 * float(steps[1].abs().max()) and steps[1].abs().max() > 0
