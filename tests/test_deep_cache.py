"""The deep half of the network from an earlier step: the same blocks, called later or not at all."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.runs import apart, clean, inverted, last, plan, prompts
from tests.watch import seen_rows
from zeroshift.conditioning import EditDirection
from zeroshift.control import DeepCache, PromptToPrompt
from zeroshift.cost.counting import count
from zeroshift.cost.flops import flops_of
from zeroshift.diffusion.sites import Compute, Part, Site, select, tapped
from zeroshift.methods import DDIM, Pix2PixZero
from zeroshift.methods import PromptToPrompt as PromptToPromptMethod

STEPS = 6


def edited(backbone, method) -> Tensor:
    start = inverted(backbone, method, clean(2))
    return last(backbone, start, [plan(backbone, method, start).branch]).targets[0]


@pytest.mark.parametrize("network", ["tiny", "tiny_xl"])
def test_opened_the_network_answers_as_before(request, network):
    backbone = request.getfixturevalue(network)
    x, text = clean(2), prompts(backbone, 2)
    seen: list[Tensor] = []

    def look(site: Site, part: Part, compute: Compute) -> Tensor:
        seen.append(compute())
        return seen[-1]

    before = list(backbone.unet.down_blocks), backbone.unet.mid_block, list(backbone.unet.up_blocks)
    with torch.no_grad():
        plain = backbone.predict(x, 500, text)
        with tapped(backbone, select("deep", "feature")) as taps, taps.listening(look, select("deep", "feature")):
            assert torch.equal(backbone.predict(x, 500, text), plain)
        with tapped(backbone, select("deep", "feature")) as taps:
            again = taps.listening(lambda *_: seen[0], select("deep", "feature"))
            with again, seen_rows(backbone.unet, "down_blocks.0", "up_blocks.0.resnets.0") as rows:
                assert torch.equal(backbone.predict(x, 500, text), plain)
            assert (len(rows["down_blocks.0"]), len(rows["up_blocks.0.resnets.0"])) == (1, 0)
    assert before == (list(backbone.unet.down_blocks), backbone.unet.mid_block, list(backbone.unet.up_blocks))


def test_off_it_changes_nothing_and_on_it_serves_as_many_steps_as_it_says(tiny):
    plain = DDIM(steps=STEPS)
    whole = edited(tiny, plain)
    assert torch.equal(edited(tiny, replace(plain, extras=(DeepCache(cache_steps=1),))), whole)
    for steps, wanted in ((2, 3), (3, 2), (50, 1)):
        method = replace(plain, extras=(DeepCache(cache_steps=steps),))
        start = inverted(tiny, method, clean(2))
        with seen_rows(tiny.unet, "mid_block.resnets.0", "conv_in") as rows:
            found = last(tiny, start, [plan(tiny, method, start).branch], reconstruct=False).targets[0]
        assert (len(rows["mid_block.resnets.0"]), len(rows["conv_in"])) == (wanted, STEPS)
        assert 1e-6 < apart(found, whole)


def test_where_a_control_looks_into_the_network_all_of_it_runs(tiny):
    control = PromptToPrompt(cross_until=0.5, self_until=0.5)
    method = PromptToPromptMethod(steps=STEPS, control=control, extras=(DeepCache(cache_steps=50),))
    start = inverted(tiny, method, clean(1))
    with seen_rows(tiny.unet, "mid_block.resnets.0") as rows:
        last(tiny, start, [plan(tiny, method, start).branch], reconstruct=False)
    assert len(rows["mid_block.resnets.0"]) == 3 + 3  # both branches, in the first half


@pytest.mark.parametrize("steps", [3, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2))])
def test_cost_counts_it(tiny, steps):
    method = DDIM(steps=STEPS, extras=(DeepCache(cache_steps=steps),))
    start = inverted(tiny, method, clean(1))
    branch = plan(tiny, method, start).branch
    real = flops_of(lambda: last(tiny, start, [branch], reconstruct=False))
    assert count(tiny, method, clean(1)).one_target == real


def test_it_stands_beside_guidance(tiny):
    """The gradient's pass is a whole one, and what it moves is predicted from with what is kept."""
    method = Pix2PixZero(steps=4, conditioning=EditDirection(sentences=5), extras=(DeepCache(cache_steps=2),))
    assert 1e-6 < apart(edited(tiny, method), edited(tiny, replace(method, extras=())))
