"""StyleDiffusion: the method's edit in a plain loop, its defaults, what it computes and what it costs."""

from dataclasses import replace

import pytest
import torch

from tests.runs import TASK, apart, clean, inverted, last, plan, prompts
from tests.value_embedding import Oracle
from tests.watch import calls
from zeroshift.backbones.checkpoint import find_configs
from zeroshift.backbones.outline import outline_of
from zeroshift.conditioning import Prompts
from zeroshift.control import NoControl
from zeroshift.control import PromptToPrompt as PromptToPromptControl
from zeroshift.cost.counting import inversion_flops
from zeroshift.cost.estimate import measure
from zeroshift.cost.flops import counted
from zeroshift.inversion import NullTextInversion, ValueEmbedding
from zeroshift.methods import DDIM, Method, PromptToPrompt, StyleDiffusion

STEPS = 4
FEW = ValueEmbedding(inner_steps=2, inner_decay=0.0)
SMALL = StyleDiffusion(steps=STEPS, inversion=FEW)


@pytest.fixture(scope="module")
def trajectory(tiny):
    return inverted(tiny, SMALL, clean(2))


def edited(backbone, method: Method, trajectory) -> torch.Tensor:
    return last(backbone, trajectory, [plan(backbone, method, trajectory).branch], reconstruct=False).targets[0]


def test_defaults_are_the_papers():
    method = StyleDiffusion()
    assert (method.steps, method.guidance_scale, method.conditioning.values_until) == (30, 7.5, 0.5)
    control, inversion = method.control, method.inversion
    assert (control.cross_until, control.self_until, control.uncond_self_until) == (0.6, 0.6, 0.0)
    assert (inversion.inner_steps, inversion.inner_decay, inversion.learning_rate) == (100, 0.1, 1e-2)
    assert (inversion.stop_loss, inversion.learn, inversion.mapping) == (1e-5, "network", "affine")


@pytest.mark.parametrize("until", [0.0, 0.5, 1.0])
def test_without_maps_the_edit_is_a_plain_loop(tiny, trajectory, until):
    """The target's own prompt is scaled and shifted while i < tau_v T, and plain after that."""
    method = replace(SMALL, control=NoControl(), conditioning=Prompts(values_until=until))
    net, stride = Oracle(tiny), 1000 // STEPS
    c, empty = prompts(tiny, 2, TASK.target_prompt).tokens, tiny.embed([""]).tokens.expand(2, -1, -1)
    x = trajectory.latents[0]
    for i in range(STEPS):
        t = 1 + stride * (STEPS - 1 - i)
        told = c * trajectory.learned.scales[i] + trajectory.learned.shifts[i] if i < until * STEPS else None
        with torch.no_grad():
            eps = -6.5 * net(x, t, empty) + 7.5 * net(x, t, c, told)
        x = net.move(x, eps, t, t - stride)
    assert apart(edited(tiny, method, trajectory), x) <= 1e-10


def test_with_every_map_and_the_same_values_the_edit_is_the_reconstruction(tiny):
    """The direct mapping leaves the prompt out of the values, so that keys alone tell the target from the source."""
    control = PromptToPromptControl(cross_until=1, self_until=1, uncond_self_until=1, self_scale=1)
    method = replace(SMALL, inversion=replace(FEW, mapping="direct"), control=control)
    kept = inverted(tiny, method, clean(1))
    whole, half = (edited(tiny, replace(method, conditioning=Prompts(values_until=v)), kept) for v in (1, 0.5))
    assert apart(whole, kept.latents[-1]) <= 1e-10 < 1e-3 < apart(half, kept.latents[-1])


@pytest.mark.parametrize("uncond", [0.0, 0.5])
def test_nothing_edited_is_the_reconstruction(tiny, trajectory, uncond):
    control = replace(SMALL.control, uncond_self_until=uncond)
    method = replace(SMALL, control=control, conditioning=Prompts(strength=0))
    step = last(tiny, trajectory, [plan(tiny, method, trajectory).branch])
    assert apart(step.targets[0], trajectory.latents[-1]) <= 1e-10
    assert torch.equal(step.source, trajectory.latents[-1])


def test_rows_are_those_that_are_needed(tiny, trajectory):
    """The stored path stands for the source's negative row, unless P2Plus looks at it."""
    seen = {}
    for uncond in (0.0, 0.5):
        with calls(tiny.unet) as rows:
            edited(tiny, replace(SMALL, control=replace(SMALL.control, uncond_self_until=uncond)), trajectory)
        seen[uncond] = [n // 2 for n in rows]
    # maps are taken in int(.6 * 5) = 3 cross steps and int(.6 * 4) = 2 self steps, of the negative row in 2
    assert seen == {0.0: [1, 2, 1, 2, 1, 2, 2], 0.5: [2, 2, 2, 2, 1, 2, 2]}


def test_both_branches_take_the_sources_self_attention(tiny, trajectory):
    """P2Plus changes the edit, and an edit of two pictures is two edits."""
    method = replace(SMALL, control=replace(SMALL.control, uncond_self_until=0.5))
    both = edited(tiny, method, trajectory)
    assert apart(both, edited(tiny, SMALL, trajectory)) > 1e-6
    for k in range(2):
        alone = inverted(tiny, method, clean(2)[k : k + 1])
        assert apart(edited(tiny, method, alone)[0], both[k]) <= 1e-10


COUNTED = [
    ValueEmbedding(inner_steps=3, inner_decay=0.3, stop_loss=0.0),
    NullTextInversion(inner_steps=2, stop_loss=0.0),
]


@pytest.mark.parametrize("inversion", COUNTED, ids=lambda inversion: inversion.kind)
@pytest.mark.slow
def test_extended_counts_equal_a_real_run(tiny, inversion):
    method, x0 = DDIM(steps=5, guidance_scale=7.5, inversion=inversion), clean(1)
    real = counted(lambda: inverted(tiny, method, x0))[1] - counted(lambda: prompts(tiny))[1]
    assert inversion_flops(tiny, method, x0, prompts(tiny)) == pytest.approx(real, rel=1e-12)


@pytest.mark.parametrize("inversion", COUNTED, ids=lambda inversion: inversion.kind)
@pytest.mark.slow
def test_shapes_alone_count_the_same(tiny, checkpoint, inversion):
    """On the meta device a loss has no value, so that none stops the optimisation."""
    method = DDIM(steps=1, guidance_scale=7.5, inversion=replace(inversion, stop_loss=1e6))
    shapes = outline_of(find_configs(checkpoint, None, None))
    runs = ((shapes, torch.zeros(1, 4, 8, 8, device="meta")), (tiny, clean(1)))
    outline, stopped = (counted(lambda b=b, x=x: inverted(b, method, x))[1] for b, x in runs)
    whole = counted(lambda: inverted(tiny, replace(method, inversion=inversion), clean(1)))[1]
    assert outline == whole > stopped


@pytest.mark.slow
def test_costs_on_stable_diffusion_stay_below_their_bars():
    """1015 optimisation steps at 2.08 SF and T = 30 three times; 500 of them and T = 50 three times."""
    own, null_text = (measure(m) for m in (StyleDiffusion(), PromptToPrompt(inversion=NullTextInversion())))
    assert own.first_edit_sf == pytest.approx(2271.4, abs=1) and own.first_edit_sf <= 2320
    assert own.further_edit_sf == pytest.approx(76.2, abs=0.5) and own.further_edit_sf <= 90
    assert null_text.first_edit_sf == pytest.approx(1325.9, abs=1) and null_text.first_edit_sf <= 1340
