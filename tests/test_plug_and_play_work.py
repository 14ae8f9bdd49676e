"""What Plug-and-Play computes and costs, and what it leaves behind."""

from dataclasses import replace

import pytest
import torch

from tests.joint_batch import FEATURE
from tests.runs import TASK, clean, inverted, last, plan, prompts, translated
from tests.watch import calls, installed, running_order
from zeroshift.backbones.outline import outline_of_sd15
from zeroshift.cost.counting import kinds_of_edit, sampling_flops
from zeroshift.cost.estimate import measure
from zeroshift.cost.flops import forward_flops
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.methods import PlugAndPlay
from zeroshift.running.sampling import sample

STEPS = 5


def method(**options: object) -> PlugAndPlay:
    return PlugAndPlay(steps=STEPS, **options)


def test_nothing_is_predicted_that_is_not_needed(tiny):
    """One source row while something is replayed, two target rows always."""
    with calls(tiny.unet) as rows:
        translated(tiny, PlugAndPlay(steps=10), clean(1))
    assert rows == [1] * 10 + [1, 2] * 8 + [2] * 2


def test_the_source_pass_ends_with_the_last_layer_that_is_replayed(tiny):
    chosen = PlugAndPlay(steps=10)
    trajectory = inverted(tiny, chosen, clean(1))
    ends = {name: module for name, module in tiny.unet.named_modules() if name in (FEATURE, "conv_out")}
    last_map = "up_blocks.2.attentions.1.transformer_blocks.0.attn1"
    ends |= {f"{last_map}.{name}": tiny.unet.get_submodule(f"{last_map}.{name}") for name in ("to_k", "to_v")}
    walk = sample(tiny, trajectory, [plan(tiny, chosen, trajectory).branch])
    ran: list[list[str]] = []
    for _ in range(10):
        with running_order(ends) as names:
            next(walk)
        ran.append(names)
    # the target's own feature and keys are not computed; its own pass is the rest
    assert ran[0] == [FEATURE, f"{last_map}.to_k", f"{last_map}.to_v", "conv_out"]
    assert ran[5] == [FEATURE, f"{last_map}.to_k", f"{last_map}.to_v", "conv_out"]
    assert ran[8] == [FEATURE, f"{last_map}.to_k", f"{last_map}.to_v", "conv_out"]


def test_several_targets_share_the_source(tiny):
    chosen = method()
    trajectory = inverted(tiny, chosen, clean(1))
    branches = [plan(tiny, chosen, trajectory, task=replace(TASK, target_prompt=p)).branch for p in ("a dog", "a fox")]
    with calls(tiny.unet) as rows:
        both = last(tiny, trajectory, branches, reconstruct=False)
    assert rows == [1, 2, 2] * 4 + [2, 2]
    for branch, edit in zip(branches, both.targets, strict=True):
        assert torch.equal(last(tiny, trajectory, [branch]).targets[0], edit)


def stopped_inside(backbone, walk) -> dict[str, object]:
    """Interrupt the next step of ``walk`` at its first call of the network; return what was installed then."""
    seen: list[dict[str, object]] = []

    def stop(*_: object) -> None:
        handle.remove()
        seen.append(installed(backbone.unet))
        raise KeyboardInterrupt

    handle = backbone.unet.register_forward_pre_hook(stop)
    with pytest.raises(KeyboardInterrupt):
        next(walk)
    return seen[0]


def test_the_network_is_left_as_it_was(tiny):
    x, text = clean(1), prompts(tiny)
    with torch.no_grad():
        before, expected = installed(tiny.unet), tiny.predict(x, 321, text)
        chosen = method()
        trajectory = inverted(tiny, chosen, x)
        walk = sample(tiny, trajectory, [plan(tiny, chosen, trajectory).branch])
        next(walk)
        tapped = stopped_inside(tiny, walk)
        assert tapped != before
        assert installed(tiny.unet) == before and torch.equal(tiny.predict(x, 321, text), expected)


@pytest.mark.slow
def test_an_edit_on_stable_diffusion_costs_less_than_three_rows_per_step():
    """In UNet passes at 512 px, after the inversion; three rows in every step would be 150."""
    backbone = outline_of_sd15()
    latent = torch.zeros(1, 4, 64, 64, device="meta")
    trajectory = Trajectory(backbone.schedule(50), (latent,) * 51, replayed=True)
    branch = plan(backbone, PlugAndPlay(), trajectory).branch
    flops = sampling_flops(backbone, trajectory, [branch], kinds_of_edit(backbone, PlugAndPlay()))
    assert flops / forward_flops(backbone, latent) <= 127.5


@pytest.mark.slow
def test_cost_on_stable_diffusion():
    cost = measure(PlugAndPlay())
    assert cost.further_edit_sf == pytest.approx(124.75, abs=0.5) and cost.further_edit_sf <= 127.5
    assert cost.further_target_sf == pytest.approx(94.31, abs=0.5) and cost.further_target_sf <= 97
    assert cost.first_edit_sf == pytest.approx(cost.further_edit_sf + 50, abs=0.1)  # text is encoded besides
