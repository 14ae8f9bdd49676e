"""An edit of strength 0 is the reconstruction, whatever the method and the words; float64, no row is left out."""

from dataclasses import replace

import pytest

from tests.runs import apart, clean, translated
from tests.watch import calls
from zeroshift.conditioning import EditDirection, RichPrompts
from zeroshift.conditioning.task import Task, make_task
from zeroshift.control import PromptToPrompt as Control
from zeroshift.inversion import DDIMInversion, DirectInversion
from zeroshift.methods import METHODS, Method, PromptToPrompt

EQUAL = 1e-10
STEPS = 3
TASKS = {
    "as many tokens": make_task("cat", "dog"),
    "a word of more tokens": make_task("cat", "chihuahua"),
    "more words": make_task("a photo of a cat", "a photo of a small sleeping dog"),
}
EXACT = DirectInversion(offset_target=True)


def at(strength: float, chosen: Method) -> Method:
    conditioning = replace(chosen.conditioning, strength=strength)
    if isinstance(conditioning, (EditDirection, RichPrompts)):
        conditioning = replace(conditioning, sentences=20)
    return replace(chosen, steps=STEPS, conditioning=conditioning)


def test_the_tasks_differ_in_their_tokens(tiny):
    ids = {name: [tiny.tokens(p) for p in (t.source_prompt, t.target_prompt)] for name, t in TASKS.items()}
    assert [s.used != t.used for s, t in ids.values()] == [False, True, True]


@pytest.mark.parametrize("backbone", ["epsilon", pytest.param("v_prediction", marks=pytest.mark.slow)], indirect=True)
@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_with_the_offset_every_method_returns_the_photograph(backbone, method: type[Method]):
    """Direct inversion's offset is added to both branches; without it the target is where its own steps lead."""
    chosen, x0 = at(0, method(inversion=EXACT)), clean(1)
    step = translated(backbone, chosen, x0)
    assert apart(step.targets[0], x0) <= EQUAL
    assert apart(step.source, x0) == 0
    assert apart(translated(backbone, at(1, chosen), x0).targets[0], x0) > 1e-3


def test_the_offset_is_what_the_source_branch_lacks(tiny):
    """Without it a guided target of strength 0 goes elsewhere."""
    plain = PromptToPrompt(inversion=DirectInversion())
    assert apart(translated(tiny, at(0, plain), clean(1)).targets[0], clean(1)) > 1e-3


@pytest.mark.parametrize(
    ("options", "inversion"),
    [
        ({}, DDIMInversion()),
        ({}, EXACT),
        *[
            pytest.param(options, inversion, marks=pytest.mark.slow if inversion is EXACT else ())
            for inversion in (DDIMInversion(), EXACT)
            for options in ({"mapper": "official"}, {"edit": "refine"}, {"uncond_self_until": 0.6}, {"amplify": "a=3"})
        ],
    ],
    ids=str,
)
@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_prompt_to_prompt_aligns_no_further_than_the_strength_says(tiny, task: Task, options, inversion):
    chosen = PromptToPrompt(control=Control(**options), inversion=inversion)
    step = translated(tiny, at(0, chosen), clean(1), task=task)
    assert apart(step.targets[0], step.source) <= EQUAL
    assert apart(translated(tiny, at(0.5, chosen), clean(1), task=task).targets[0], step.source) > 1e-4


def test_nothing_is_cut_short(tiny):
    chosen = at(0, PromptToPrompt(inversion=EXACT))
    with calls(tiny.unet) as rows:
        translated(tiny, chosen, clean(1))
    assert rows == [1] * STEPS + [2, 2] * STEPS
