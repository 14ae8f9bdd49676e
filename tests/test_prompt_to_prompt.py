"""Prompt-to-Prompt on a tiny random network in float64: identities, schedules, refusals, cost."""

from dataclasses import replace

import pytest
import torch

from tests.runs import apart, clean, inverted, last, plan, translated
from tests.watch import calls, seen_rows
from zeroshift.asked.request import Request
from zeroshift.backbones.outline import outline_of_sd15
from zeroshift.conditioning import Prompts
from zeroshift.conditioning.base import EditContext
from zeroshift.conditioning.task import Task, make_task
from zeroshift.control import PromptToPrompt as Control
from zeroshift.cost.counting import kinds_of_edit, sampling_flops, stage_flops
from zeroshift.cost.flops import forward_flops
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.inversion import DDIMInversion, DirectInversion
from zeroshift.methods import PromptToPrompt
from zeroshift.methods.base import edit_of

EQUAL = 1e-10
STEPS = 5
SWAP = make_task("cat", "dog")
REFINED = make_task("a photo of a cat", "a photo of a small sleeping dog")


def method(**options: object) -> PromptToPrompt:
    """Return the method with few steps; options of the control by name, others as they are."""
    own = {name: options.pop(name) for name in ("guidance_scale", "inversion", "conditioning") if name in options}
    return PromptToPrompt(steps=STEPS, control=Control(**options), **own)


@pytest.fixture(params=["epsilon", "v_prediction"])
def backbone(request, tiny, tiny_v):
    return tiny if request.param == "epsilon" else tiny_v


def test_defaults_are_the_papers():
    default = PromptToPrompt()
    assert (default.steps, default.guidance_scale, default.inversion) == (50, 7.5, DDIMInversion())
    assert default.conditioning == Prompts()
    assert default.control == Control(
        cross_until=0.8, self_until=0.4, edit="auto", mapper="fixed", uncond_self_until=0.0, blend_threshold=0.3
    )


SAME = Task("cat", "cat", "a photo of a cat", "a photo of a cat", None)


@pytest.mark.parametrize("backbone", ["epsilon", pytest.param("v_prediction", marks=pytest.mark.slow)], indirect=True)
@pytest.mark.parametrize(
    "options", [{"edit": "replace"}, {"edit": "refine"}, {"uncond_self_until": 0.6}, {"self_scale": 1}]
)
@pytest.mark.parametrize("inversion", [DDIMInversion(), DirectInversion()])
def test_the_same_prompt_is_the_source(backbone, options, inversion):
    """With direct inversion the source does not go where its prompt leads: then the maps alone are the same."""
    chosen = method(inversion=inversion, **options)
    step = translated(backbone, chosen, clean(1), task=SAME)
    if inversion.kind == "ddim":
        assert apart(step.targets[0], step.source) <= EQUAL
    else:
        assert torch.equal(step.source, clean(1)) and apart(step.targets[0], step.source) > 1e-3


@pytest.mark.parametrize("text", ["dog=nan", "dog=inf", "dog=101", "dog=2,small=-1e30"])
def test_factors_that_no_map_survives_are_refused(text: str):
    with pytest.raises(ValueError, match="factors of `amplify` are from -100 to 100"):
        Control(amplify=text)


@pytest.mark.parametrize("options", [{}, {"edit": "refine"}, {"uncond_self_until": 0.6, "blend_words": "cat,dog"}])
def test_strength_zero_is_the_reconstruction(backbone, options):
    chosen = method(conditioning=Prompts(strength=0.0), **options)
    with calls(backbone.unet) as rows:
        step = translated(backbone, chosen, clean(1), task=SWAP)
    assert rows == [1] * STEPS + [2, 2] * STEPS  # nothing is cut short
    assert apart(step.targets[0], step.source) <= EQUAL


def test_without_any_control_it_is_ddim_with_word_swap(tiny):
    off, trajectory = method(cross_until=0.0, self_until=0.0), Trajectory(tiny.schedule(STEPS), (clean(1),))
    with calls(tiny.unet) as rows:
        step = last(tiny, trajectory, [plan(tiny, off, trajectory).branch], reconstruct=False)
    assert rows == [2] * STEPS  # no source
    text = plan(tiny, off, trajectory).branch.conditioning.target(0)
    x = trajectory.start
    for i, t in enumerate(trajectory.schedule.timesteps):
        negative, prompt = (tiny.predict(x, t, e) for e in text.embeddings)
        x = trajectory.schedule.advance(x, negative + 7.5 * (prompt - negative), i)
    assert apart(step.targets[0], x) <= EQUAL


def test_neutral_options_change_nothing(tiny):
    def edited(**options: object):
        return translated(tiny, method(**options), clean(1), task=SWAP).targets[0]

    plain = edited()
    assert apart(edited(amplify="dog=1,photo=1"), plain) <= EQUAL < 1e-6 < apart(edited(amplify="dog=2"), plain)
    assert apart(edited(blend_words="cat,dog", blend_threshold=0.0), plain) <= EQUAL
    assert apart(edited(blend_words="cat,dog", blend_start=1.0), plain) <= EQUAL
    assert (
        apart(edited(word_windows="dog=0-0.8"), plain) <= EQUAL < 1e-6 < apart(edited(word_windows="dog=0-0.2"), plain)
    )


def test_an_empty_mask_is_the_source(tiny):
    nothing = method(inversion=DirectInversion(), blend_words="cat,dog", blend_threshold=1.0, blend_start=0.0)
    assert torch.equal(translated(tiny, nothing, clean(1), task=SWAP).targets[0], clean(1))


@pytest.mark.parametrize("inversion", [DDIMInversion(), DirectInversion()])
@pytest.mark.parametrize("options", [{}, {"blend_words": "cat,dog", "blend_threshold": 0.99, "uncond_self_until": 0.6}])
def test_batch_of_pictures_is_single_pictures(tiny, inversion, options):
    chosen = method(inversion=inversion, **options)
    together = translated(tiny, chosen, clean(3, 16, 8), task=SWAP)
    for n in range(3):
        alone = translated(tiny, chosen, clean(3, 16, 8)[n : n + 1], task=SWAP)
        assert apart(together.targets[0][n : n + 1], alone.targets[0]) <= EQUAL


def test_rows_that_the_network_is_asked_for(tiny):
    """Of a replayed source the prompt's row as long as maps are taken; with P2Plus or a mask more, or longer."""

    def rows_of(**options: object) -> list[int]:
        chosen = method(**{"inversion": DirectInversion(), **options})
        trajectory = inverted(tiny, chosen, clean(1))
        with calls(tiny.unet) as rows:
            last(tiny, trajectory, [plan(tiny, chosen, trajectory).branch], reconstruct=False)
        return rows

    assert rows_of() == [1, 2] * 4 + [2]
    assert rows_of(guidance_scale=1.0) == [1, 1] * 4 + [1]
    assert rows_of(uncond_self_until=0.4) == [2, 2] * 2 + [1, 2] * 2 + [2]
    assert rows_of(uncond_self_until=0.8, cross_until=0.0) == [2, 2] * 4 + [2]
    assert rows_of(blend_words="cat,dog") == [1, 2] * 5
    assert rows_of(inversion=DDIMInversion()) == [2, 2] * 4 + [2]


@pytest.mark.parametrize(
    ("options", "computed"),
    [
        ({"guidance_scale": 1.0}, 0),
        ({"guidance_scale": 1.0, "word_windows": "dog=0-0.4"}, 2),  # two of four steps keep the word's own map
        ({"guidance_scale": 1.0, "amplify": "dog=2"}, 0),
        ({}, 4),  # the negative row has maps of its own
    ],
)
def test_queries_of_a_map_that_is_replaced_whole_are_not_computed(tiny, options, computed):
    """In the four steps that take maps, beside the source's own; the fifth is the target's alone."""
    chosen = method(inversion=DirectInversion(), self_until=0.0, **options)
    trajectory = inverted(tiny, chosen, clean(1))
    names = [f"{site.name}.{part}" for site in tiny.sites if site.kind == "cross" for part in ("to_q", "to_k")]
    with seen_rows(tiny.unet, *names[1:]) as ran:  # the first queries may be shared by rows
        last(tiny, trajectory, [plan(tiny, chosen, trajectory).branch], reconstruct=False)
    count = 1 if "guidance_scale" in options else 2
    assert all(sum(rows) == 4 + (computed + 1) * count for rows in ran.values())


def test_schedules_count_from_the_first_step_taken(tiny):
    """Shares are of the whole grid: of 10 steps from step 4 on, 0.4 are steps 4 to 7."""
    trajectory = Trajectory(tiny.schedule(10), (clean(1),), first=4)
    chosen = replace(method(cross_until=0.2), steps=10)
    control = plan(tiny, chosen, trajectory).branch.control
    kinds = [{site.kind for site in tiny.sites if control.records(site, i)} for i in range(4, 10)]
    assert kinds == [{"cross", "self"}] * 2 + [{"self"}] * 2 + [set()] * 2
    last(tiny, trajectory, [plan(tiny, chosen, trajectory).branch])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"amplify": "cat=2"}, 'The word "cat" does not stand in the prompt "a photo of a dog"'),
        ({"word_windows": "cat=0-1"}, 'The word "cat" does not stand'),
        ({"blend_words": "dog,dog"}, 'The word "dog" does not stand in the prompt "a photo of a cat"'),
        ({"blend_words": "cat,dog", "blend_subtract": "cat,tree"}, 'The word "tree" does not stand'),
    ],
)
def test_words_that_do_not_occur_are_refused_before_anything_runs(options, message: str):
    Request(SWAP, method(amplify="DOG=2", blend_words="cat,dog"))
    with pytest.raises(ValueError, match=message):
        Request(SWAP, method(**options))


def test_replacing_another_number_of_words_is_refused():
    with pytest.raises(ValueError, match=r'"a photo of a cat" has 5, "a photo of a small sleeping dog" 7'):
        Request(REFINED, method(edit="replace"))
    Request(REFINED, method())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"amplify": "dog"}, "`amplify` has the form dog=2,fluffy=0.5, not"),
        ({"amplify": "dog=much"}, "`amplify` has the form"),
        ({"word_windows": "dog=0.5"}, "`word_windows` has the form"),
        ({"word_windows": "dog=0.5-0.2"}, "`word_windows` has the form"),
        ({"blend_words": "cat"}, "given as SOURCE,TARGET, such as cat,dog"),
        ({"blend_subtract": "cat,dog"}, "`blend_subtract` takes something out of `blend_words`"),
    ],
)
def test_options_in_another_form_are_refused(options, message: str):
    with pytest.raises(ValueError, match=message):
        method(**options)


def test_layers_that_the_network_does_not_have_are_refused(tiny):
    trajectory = Trajectory(tiny.schedule(STEPS), (clean(1),))
    with pytest.raises(Unsupported, match="No self-attention layer is 8 times smaller than the latent or more"):
        plan(tiny, method(self_scale=8), trajectory)
    plan(tiny, method(self_scale=8, self_until=0.0), trajectory)


@pytest.mark.slow
def test_cost_on_stable_diffusion():
    """50 up; then 40 steps with 3 rows, and 10 with the target's 2: no source where none is needed.

    The target's second row begins with the first one's layers.
    """
    outline = outline_of_sd15()
    chosen, x0 = PromptToPrompt(inversion=DirectInversion()), torch.zeros(1, 4, 64, 64, device="meta")
    trajectory, prompt = Trajectory(outline.schedule(50), [x0] * 51, replayed=True), outline.embed(["a"])
    edit = edit_of(chosen, EditContext(outline, SAME, prompt, trajectory, 7.5, True))
    inverting = 50 * stage_flops(outline, chosen, x0, prompt, 1)[0]
    sampling = sampling_flops(outline, trajectory, [edit], kinds_of_edit(outline, chosen))
    cost = (inverting + sampling) / forward_flops(outline, x0)
    assert cost == pytest.approx(187.0, abs=0.5) and cost <= 200
