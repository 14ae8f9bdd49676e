"""Prompt-to-Prompt against the plain loops of ``attention_control``, on a tiny random network in float64."""

import pytest

from tests import attention_control as oracle
from tests.oracles import Network
from tests.runs import apart, clean, inverted, last, plan
from tests.test_prompt_to_prompt import EQUAL, REFINED, STEPS, SWAP, method
from zeroshift.conditioning.task import Task, make_task
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.inversion import DDIMInversion, DirectInversion
from zeroshift.methods import PromptToPrompt

LENGTH = 16
LONGER = make_task("a photo of a cat near a cat", "a photo of a zebra near a cat")  # zebra has more tokens than cat
SHORTER = make_task("a zebra and a cat", "a cat and a cat")


def words_of(backbone, text: str) -> list[list[int]]:
    """Return every word's token positions, from the lengths of the words' own encodings."""
    groups, at = [], 1
    for word in text.split(" "):
        size = len(backbone.tokenizer(word).input_ids) - 2
        groups.append(list(range(at, at + size)))
        at += size
    return groups


def at(backbone, text: str, word: str) -> list[int]:
    groups = zip(text.split(" "), words_of(backbone, text), strict=True)
    return [position for other, group in groups if other == word for position in group]


def target_of(backbone, task: Task, until: int, mapper: str = "fixed") -> oracle.Target:
    source, target = (words_of(backbone, text) for text in (task.source_prompt, task.target_prompt))
    pairs = list(zip(task.source_prompt.split(), task.target_prompt.split(), strict=False))
    if mapper == "official":
        changed = [n for n, (a, b) in enumerate(pairs) if a != b]
        table = oracle.official_mapper(source, target, changed, LENGTH)
    else:
        table = oracle.fixed_mapper(source, target, LENGTH)
    return oracle.Target(table, factors=[1.0] * LENGTH, windows=[(0, until)] * LENGTH)


def refined_target(backbone, until: int) -> oracle.Target:
    """ "a photo of a" is in both prompts, then "small sleeping dog" is new, "cat" is gone, the end is in both."""
    new = sum(len(words_of(backbone, REFINED.target_prompt)[n]) for n in (4, 5, 6))
    sources = [0, 1, 2, 3, 4, *[-1] * new, 6]
    sources += range(len(sources), LENGTH)
    return oracle.Target(sources=sources, factors=[1.0] * LENGTH, windows=[(0, until)] * LENGTH)


def controlled(backbone, chosen: PromptToPrompt, task: Task, controller: oracle.Controller, trajectory: Trajectory):
    """Return (source, target) of the plain loops."""
    unet, layers = oracle.controlled(backbone.unet)
    alphas = backbone.scheduler.alphas_cumprod.double()
    net = Network(unet, (), alphas, backbone.scheduler.config.prediction_type)
    texts = [backbone.embed([text]).tokens for text in (task.source_prompt, task.target_prompt)]
    negative = backbone.embed([""]).tokens
    replayed = [trajectory.at(i + 1) for i in range(STEPS)] if trajectory.replayed else ()
    return oracle.edit(
        net,
        layers,
        controller,
        trajectory.start,
        negative,
        texts,
        guidance=chosen.guidance_scale,
        steps=STEPS,
        replayed=replayed,
    ).split(1)


def compare(backbone, chosen: PromptToPrompt, task: Task, controller: oracle.Controller) -> float:
    """Require that the loop and the plain loops agree; return how far the edit is from the source."""
    trajectory = inverted(backbone, chosen, clean(1, 16, 8), prompt=task.source_prompt)
    step = last(backbone, trajectory, [plan(backbone, chosen, trajectory, task=task).branch])
    source, target = controlled(backbone, chosen, task, controller, trajectory)
    assert apart(step.source, source) <= EQUAL and apart(step.targets[0], target) <= EQUAL
    return apart(target, source)


def controller(targets: list[oracle.Target], **options: object) -> oracle.Controller:
    """Return the paper's defaults on latents of 16 x 8: layers of half the side have 32 pixels."""
    return oracle.Controller(
        targets, **{"self_steps": 2, "uncond_steps": 0, "finest": 32, "mask_pixels": 32, **options}
    )


@pytest.fixture(params=["epsilon", "v_prediction"])
def backbone(request, tiny, tiny_v):
    return tiny if request.param == "epsilon" else tiny_v


@pytest.mark.parametrize("inversion", [DDIMInversion(), DirectInversion()])
def test_word_swap_against_the_oracle(backbone, inversion):
    """0.8 of 6 table rows are 4 steps of cross-attention, 0.4 of 5 steps are 2 of self-attention."""
    chosen = method(inversion=inversion)
    assert compare(backbone, chosen, SWAP, controller([target_of(backbone, SWAP, 4)])) > 1e-3


@pytest.mark.parametrize("mapper", ["fixed", "official"])
@pytest.mark.parametrize("task", [LONGER, SHORTER])
def test_words_of_other_lengths_against_the_oracle(tiny, mapper: str, task: Task):
    chosen = method(mapper=mapper, self_until=0.0, cross_until=1.0)
    target = target_of(tiny, task, 6, mapper)
    assert compare(tiny, chosen, task, controller([target], self_steps=0)) > 1e-3


@pytest.mark.parametrize("scale", [1, 4])
def test_self_attention_alone_against_the_oracle(tiny, scale: int):
    chosen = method(cross_until=0.0, self_until=0.6, self_scale=scale)
    target = target_of(tiny, SWAP, 0)
    assert compare(tiny, chosen, SWAP, controller([target], self_steps=3, finest=128 // scale**2)) > 1e-3


def test_refinement_and_reweighting_against_the_oracle(backbone):
    chosen = method(amplify="sleeping=3,photo=-0.5")
    target = refined_target(backbone, 4)
    for word, factor in (("sleeping", 3.0), ("photo", -0.5)):
        for position in at(backbone, REFINED.target_prompt, word):
            target.factors[position] = factor
    assert compare(backbone, chosen, REFINED, controller([target])) > 1e-3


def test_windows_of_words_against_the_oracle(tiny):
    """Shares of the 6 table rows: 0.2 to 0.6 are steps 1 and 2, up to 1 is all."""
    chosen = method(word_windows="sleeping=0.2-0.6,photo=0-1", cross_until=0.4)
    target = refined_target(tiny, 2)
    for word, steps in (("sleeping", (1, 3)), ("photo", (0, 6))):
        for position in at(tiny, REFINED.target_prompt, word):
            target.windows[position] = steps
    assert compare(tiny, chosen, REFINED, controller([target])) > 1e-3


def test_p2plus_against_the_oracle(tiny):
    for shares, steps in (((0.4, 0.8), (2, 4)), ((0.8, 0.4), (4, 2))):
        chosen = method(self_until=shares[0], uncond_self_until=shares[1])
        target = target_of(tiny, SWAP, 4)
        assert compare(tiny, chosen, SWAP, controller([target], self_steps=steps[0], uncond_steps=steps[1])) > 1e-3


@pytest.mark.parametrize("subtract", [False, True])
@pytest.mark.parametrize("inversion", [DDIMInversion(), DirectInversion()])
def test_local_blend_against_the_oracle(tiny, subtract: bool, inversion):
    """Blended from step 1 on, by maps from step 0 on, edited ones while they are."""
    more = {"blend_subtract": "of,photo"} if subtract else {}
    chosen = method(
        inversion=inversion, cross_until=0.4, blend_words="cat,small dog", blend_threshold=0.99, amplify="dog=2", **more
    )
    source, wanted = REFINED.source_prompt, REFINED.target_prompt
    target = refined_target(tiny, 2)
    for position in at(tiny, wanted, "dog"):
        target.factors[position] = 2.0
    target.blend = at(tiny, wanted, "small") + at(tiny, wanted, "dog")
    target.subtract = at(tiny, wanted, "photo")
    plain = controller([target], threshold=0.99, start=1, source_blend=at(tiny, source, "cat"))
    if subtract:
        plain.source_subtract = at(tiny, source, "of")
    assert compare(tiny, chosen, REFINED, plain) > 1e-3
    masks = [
        plain.mask(0, plain.source_blend, clean(1, 16, 8), True),
        plain.mask(1, target.blend, clean(1, 16, 8), True),
    ]
    assert 0 < float((masks[0] | masks[1]).double().mean()) < 1  # a mask of everything would show nothing


def test_two_targets_of_one_run_against_the_oracle(tiny):
    first, second = SWAP, make_task("cat", "zebra")
    targets = [target_of(tiny, task, 4) for task in (first, second)]
    trajectory = Trajectory(tiny.schedule(STEPS), (clean(1),))
    chosen = method()
    branches = [plan(tiny, chosen, trajectory, photograph=False, task=task).branch for task in (first, second)]
    step = last(tiny, trajectory, branches)
    unet, layers = oracle.controlled(tiny.unet)
    net = Network(unet, (), tiny.scheduler.alphas_cumprod.double(), "epsilon")
    texts = [tiny.embed([text]).tokens for text in (first.source_prompt, first.target_prompt, second.target_prompt)]
    plain = controller(targets, finest=16)
    found = oracle.edit(
        net, layers, plain, trajectory.start, tiny.embed([""]).tokens, texts, guidance=7.5, steps=STEPS
    ).split(1)
    for ours, theirs in zip((step.source, *step.targets), found, strict=True):
        assert apart(ours, theirs) <= EQUAL
