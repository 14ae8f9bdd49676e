"""What refinement decodes and costs."""

from dataclasses import replace

import pytest
import torch

from tests.refinement import PLAIN, edited, photographs, refined, run_of
from tests.runs import apart, clean, last, prompts
from tests.test_clip_guidance import decoded
from zeroshift.backbones.checkpoint import find_configs
from zeroshift.backbones.outline import outline_of
from zeroshift.control import ClipGuidance, Refinement, SamplingNoise
from zeroshift.cost.counting import kinds_of_edit, sampling_flops
from zeroshift.cost.flops import counted
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.methods.base import plan

NOTHING = {"refine_l2": 0.0, "refine_clip": 0.0}


def test_what_is_off_costs_nothing(tiny):
    def refuse():
        raise AssertionError("CLIP was opened")

    blind, pictures = replace(tiny, open_clip=refuse), photographs(1)
    plain = edited(tiny, PLAIN, clean(1), pictures)
    with decoded(tiny) as rows:
        for options in (NOTHING, {"refine": "guidance", "refine_scale": 0.0}):
            assert torch.equal(edited(blind, refined(**options), clean(1), pictures), plain)
    assert not rows
    with decoded(tiny) as rows:
        edited(blind, refined(refine_clip=0.0, refine_steps=3), clean(1), pictures)
    assert rows == [1, 1, 1]
    with decoded(tiny) as rows:
        edited(tiny, refined(refine="guidance", refine_last=2), clean(1), pictures)
    assert rows == [1, 1]


def test_a_generated_source_is_decoded_first(tiny):
    """Its last latent is what the finished one is held against."""
    method, x0 = refined(refine_steps=2, refine_clip=0.0), clean(1)
    with decoded(tiny) as rows:
        found = edited(tiny, method, x0, None)
    assert rows == [1, 1, 1]
    run = run_of(tiny, PLAIN, x0, None)
    source = last(tiny, run.trajectory, [plan(PLAIN, run).branch]).source
    assert apart(found, edited(tiny, method, x0, tiny.decode(source))) <= 1e-10


COUNTED = {
    "final": (Refinement(refine_steps=2, refine_patches=0.1),),
    "guidance": (Refinement(refine="guidance", refine_last=2),),
    "clip": (ClipGuidance(clip_gradient="full", clip_preview="linear", clip_crops=2, clip_until=0.8),),
}


@pytest.mark.parametrize("name", ["guidance", *(pytest.param(n, marks=pytest.mark.slow) for n in ("final", "clip"))])
def test_extended_counts_equal_a_real_run_of_every_step(tiny, name):
    method = replace(PLAIN, extras=COUNTED[name])
    run = run_of(tiny, method, clean(1), photographs(1))
    branches = [plan(method, run).branch for _ in range(2)]
    done = counted(lambda: last(tiny, run.trajectory, branches[:1], reconstruct=False))[1]
    found = sampling_flops(tiny, run.trajectory, branches[1:], kinds_of_edit(tiny, method))
    assert found == pytest.approx(done, rel=1e-12)


@pytest.mark.slow
def test_shapes_alone_count_as_much(tiny, checkpoint):
    everything = (*COUNTED["clip"], SamplingNoise(), *COUNTED["final"])
    method = replace(PLAIN, steps=1, guidance_scale=1.0, extras=everything)
    done = []
    for backbone in (tiny, outline_of(find_configs(checkpoint, None, None))):
        start = clean(1).to(backbone.device, backbone.unet.dtype)
        run = replace(run_of(tiny, method, clean(1), photographs(1)), backbone=backbone)
        run = replace(run, prompt=prompts(backbone), trajectory=Trajectory(backbone.schedule(1), (start,)))
        branch = plan(method, run).branch
        done.append(counted(lambda run=run, branch=branch: last(run.backbone, run.trajectory, [branch]))[1])
    assert done[0] == done[1]
