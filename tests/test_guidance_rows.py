"""Guidance where source and target have other numbers of prompt rows."""

from dataclasses import replace

import pytest

from tests.runs import apart, clean, method, translated
from zeroshift.conditioning import Prompts
from zeroshift.control import AttentionGuidance, MirrorGuidance
from zeroshift.inversion import DDIMInversion

THREE = Prompts(negative="a drawing", empty_share=0.5)
"""three prompts for the target against the source's two"""


@pytest.mark.parametrize("control", [AttentionGuidance(), AttentionGuidance(reuse_noise=True), MirrorGuidance()])
def test_a_target_of_more_rows_than_the_source_is_guided_row_by_row(tiny, control):
    """Rows are paired from the last; the source's first stands for the one that it lacks."""
    chosen = method(3, conditioning=THREE, control=control)
    step = translated(tiny, chosen, clean(1))
    whole = translated(tiny, replace(chosen, conditioning=replace(THREE, empty_share=0)), clean(1))
    assert step.targets[0].isfinite().all() and apart(step.targets[0], whole.targets[0]) > 1e-6
    still = translated(tiny, replace(chosen, conditioning=replace(THREE, strength=0)), clean(1))
    assert apart(still.targets[0], still.source) <= 1e-10


@pytest.mark.parametrize("count", [1, 2])
def test_prompt_rows_alone_leave_every_other_row_where_it_is(tiny, count: int):
    """The noise of the gradient's pass is completed by as many rows as had none; for a weight near 0 it is plain."""
    alone = AttentionGuidance(guided_rows="prompt", reuse_noise=True, lambda_xa=1e-12)
    plain = method(conditioning=THREE, control=AttentionGuidance(lambda_xa=0))
    found, expected = (translated(tiny, m, clean(count)).targets[0] for m in (replace(plain, control=alone), plain))
    assert apart(found, expected) <= 1e-8


def test_one_row_is_compared_with_the_sources_last(tiny):
    """A guided source has two rows, an unguided target one: both choices of rows are then the prompt's."""
    conditioning = Prompts(source_guidance=5.0, negative="a drawing")
    both, alone = (
        method(conditioning=conditioning, guidance_scale=1.0, inversion=DDIMInversion(), control=control)
        for control in (AttentionGuidance(), AttentionGuidance(guided_rows="prompt"))
    )
    assert apart(translated(tiny, both, clean(1)).targets[0], translated(tiny, alone, clean(1)).targets[0]) <= 1e-10
