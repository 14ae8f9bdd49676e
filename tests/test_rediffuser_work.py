"""What ReDiffuser computes, holds and costs, and what it refuses."""

from dataclasses import replace

import pytest
import torch

from tests.rediffusing import RICH, rediffuser
from tests.runs import STEPS, TASK, clean, further_row, last, plan, prompts, start, translated
from tests.watch import calls
from zeroshift.asked.request import Request, check_shared
from zeroshift.conditioning.base import EditContext
from zeroshift.conditioning.task import make_task
from zeroshift.control import FusedGuidance
from zeroshift.cost.counting import count, maps_held
from zeroshift.cost.estimate import measure
from zeroshift.cost.flops import forward_flops
from zeroshift.inversion import DDIMInversion, DirectInversion, RegularisedInversion
from zeroshift.methods import Pix2PixZero, ReDiffuser
from zeroshift.methods.base import shares_source
from zeroshift.presets import build_method


def test_rows_of_the_network(tiny):
    """Source, in-between and edited prompts in one pass; the measuring pass and the step have two rows."""
    here = start(tiny)
    with calls(tiny.unet) as rows:
        last(tiny, here, [plan(tiny, rediffuser(), here).branch], reconstruct=False)
    assert rows == [3, *[3, 2, 2] * (STEPS - 1), 2, 2]
    three = rediffuser(replace(RICH, rho=(0.3, 0.6)), lambda_xa=0)
    with calls(tiny.unet) as rows:
        last(tiny, here, [plan(tiny, three, here).branch], reconstruct=False)
    assert rows == [2] * STEPS  # nothing is regenerated that nobody compares
    weights = {(1, 0, 0): 1, (0.5, 0.5, 0): 2, (0.5, 0, 0.5): 2}
    for chosen, asked in weights.items():
        with calls(tiny.unet) as rows:
            last(tiny, here, [plan(tiny, rediffuser(fusion_weights=chosen), here).branch], reconstruct=False)
        assert sorted(rows) == sorted([asked, 2, 2] * STEPS)  # nor what counts for nothing
    direct = replace(rediffuser(), inversion=DirectInversion())
    step = translated(tiny, direct, clean(1))
    assert torch.equal(step.source, clean(1))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"control": {"fusion_weights": (0.5, 0.5)}}, "three numbers that sum to 1, such as 0.6,0.2,0.2, not 0.5,0.5"),
        ({"control": {"fusion_weights": (0.5, 0.5, 0.5)}}, "three numbers that sum to 1"),
        ({"conditioning": {"kind": "direction"}}, "take `conditioning` rich and `control` fused-guidance together"),
        ({"control": {"kind": "attention-guidance"}}, "take `conditioning` rich and `control` fused-guidance together"),
        ({"conditioning": {"rho": (1.5,)}}, "one or more numbers above 0 and below 1, not 1.5"),
        ({"conditioning": {"rho": ()}}, "one or more numbers above 0 and below 1, not none"),
    ],
)
def test_refusals(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        build_method("rediffuser", options)


def test_what_edits_of_one_run_may_differ_in():
    whole = Request(TASK, rediffuser())
    check_shared([whole, Request(TASK, rediffuser(replace(RICH, strength=0.5), fusion="equal"))], photograph=True)
    fox, chain = Request(make_task("cat", "fox"), rediffuser()), rediffuser(regeneration="chain")
    alone = rediffuser(fusion_weights=(1, 0, 0))  # regenerates nothing
    nearer = rediffuser(replace(RICH, rho=(0.3,)))
    for other in (fox, *(Request(TASK, chosen) for chosen in (alone, nearer, chain))):
        with pytest.raises(ValueError, match="Edits of one run share"):
            check_shared([whole, other], photograph=True)
    weaker = Request(TASK, replace(chain, conditioning=replace(RICH, strength=0.5)))
    with pytest.raises(ValueError, match="Edits of one run share"):
        check_shared([Request(TASK, chain), weaker], photograph=True)


def test_other_conditionings_are_refused(tiny):
    with pytest.raises(ValueError, match="Fused guidance needs rich prompts"):
        FusedGuidance().bind(EditContext(tiny, TASK, prompts(tiny), start(tiny), 5.0, True))


def test_maps_of_three_steps_are_held_and_no_more(tiny):
    values = sum(2 * (8 // site.scale) ** 2 * 16 for site in tiny.sites if site.kind == "cross")
    chosen = replace(rediffuser(), steps=8)
    assert maps_held(tiny, chosen, clean(1)) == (3, 4 * 3 * 3 * values)


@pytest.mark.slow
def test_cost_is_pix2pix_zeros_and_two_source_rows(tiny):
    plain, unit = Pix2PixZero(steps=8, inversion=DDIMInversion()), forward_flops(tiny, clean(1))
    ours, theirs = (count(tiny, m, clean(1)) for m in (replace(rediffuser(), steps=8), plain))
    assert (ours.one_target - theirs.one_target) / unit == pytest.approx(2 * 8 * further_row(tiny, clean(1)))
    # another strength shares the source
    assert ours.two_targets - ours.one_target == pytest.approx(theirs.two_targets - theirs.one_target)


@pytest.mark.slow
def test_cost_on_stable_diffusion():
    """Of 10.3 T, what a reading without savings takes, the regularised inversion is T and three source rows are 3 T."""
    cost = measure(ReDiffuser(inversion=RegularisedInversion(reg_steps=0)))
    assert cost.first_edit_sf == pytest.approx(504.09, abs=0.5)
    assert cost.further_edit_sf == pytest.approx(454.09, abs=0.5)
    assert cost.further_target_sf == pytest.approx(309.28, abs=0.5)


def test_rich_rows_are_asked_only_where_their_maps_are_looked_at(tiny):
    """The source branch of a direct inversion with its offset goes on after the last guided step, with its own row."""
    inversion = DirectInversion(offset_target=True)
    chosen = replace(rediffuser(guidance_until=0.5), inversion=inversion)
    with calls(tiny.unet) as rows:
        translated(tiny, chosen, clean(1))
    source = [n for n in rows[STEPS:] if n in (1, 3)]
    assert source == [3] * (STEPS // 2 + 1) + [1] * (STEPS - STEPS // 2 - 1)


@pytest.mark.parametrize(
    ("options", "shares"), [({}, True), ({"regeneration": "chain"}, False), ({"cooperative": "latent-blend"}, False)]
)
def test_a_run_that_is_one_edits_own_is_shared_with_no_further_target(options, shares):
    assert shares_source(rediffuser(**options)) is shares


@pytest.mark.slow
def test_there_is_no_cost_of_a_further_target_where_none_can_share_the_run(checkpoint):
    alone, shared = (replace(rediffuser(cooperative=kind), steps=1) for kind in ("latent-blend", "none"))
    assert measure(alone, model=checkpoint).further_target_sf is None
    assert measure(shared, model=checkpoint).further_target_sf > 0


def test_the_refusal_says_what_differs():
    chain = Request(TASK, rediffuser(regeneration="chain"))
    weaker = Request(TASK, rediffuser(replace(RICH, strength=0.5), regeneration="chain"))
    with pytest.raises(ValueError, match=r"differ in what the control does on the source \(chained"):
        check_shared([chain, weaker], photograph=True)
    with pytest.raises(ValueError, match="differ in the source's prompts"):
        check_shared([Request(TASK, rediffuser()), Request(make_task("cat", "fox"), rediffuser())], photograph=True)
