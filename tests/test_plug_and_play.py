"""Plug-and-Play on a tiny random network in float64: against a joint batch with plain hooks, and its identities."""

from dataclasses import replace
from math import exp

import pytest
import torch
from torch import Tensor

from tests import joint_batch, oracles
from tests.runs import TASK, apart, clean, inverted, last, plan, translated
from tests.watch import calls
from zeroshift.conditioning import Prompts
from zeroshift.control import NoControl, Replay
from zeroshift.diffusion.noise import random_start
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.inversion import DDIMInversion, DirectInversion
from zeroshift.methods import PlugAndPlay

EQUAL = 1e-10
STEPS = 5
NEGATIVE = "ugly, blurry, black, low res, unrealistic"
REAL = Prompts(source_text="", negative=NEGATIVE)


@pytest.fixture
def network(backbone) -> oracles.Network:
    return oracles.expose(backbone.unet, backbone.scheduler)


def tokens(backbone, text: str) -> Tensor:
    return backbone.embed([text]).tokens


def until(count: int) -> list[float]:
    """Return shares that are 1 in the first ``count`` steps."""
    return [float(i < count) for i in range(STEPS)]


def method(**options: object) -> PlugAndPlay:
    return PlugAndPlay(steps=STEPS, **options)


def test_defaults_are_the_second_codes():
    default = PlugAndPlay()
    assert (default.steps, default.guidance_scale) == (50, 7.5)
    assert default.inversion == DirectInversion(inversion_prompt="")
    assert default.conditioning == REAL
    assert (default.control.feature_until, default.control.attention_until) == (0.8, 0.5)
    assert default.control == Replay(inclusive=False, mixing="hard", feature_mix=1, attention_mix=1, extra_features=0)


@pytest.mark.parametrize(("inclusive", "features", "maps"), [(False, 4, 2), (True, 5, 3)])
def test_photograph_against_the_joint_batch(backbone, network, inclusive: bool, features: int, maps: int):
    """Features recorded in a pass of their own are those of a joint batch; shared q and k are injected maps."""
    step = translated(backbone, method(control=Replay(inclusive=inclusive)), clean(1))
    empty, negative, target = (tokens(backbone, text) for text in ("", NEGATIVE, TASK.target_prompt))
    latents = joint_batch.invert(network, clean(1), empty, STEPS)
    _, expected = joint_batch.edit(
        network,
        latents,
        ([empty], [1.0]),
        lambda i: ([negative, target], [1 - 7.5, 7.5]),
        feature=until(features),
        maps=until(maps),
        pairs=(0, 0),
    )
    assert apart(step.targets[0], expected) <= EQUAL


@pytest.mark.parametrize(
    ("schedule", "course"),
    [
        ("constant", lambda i: 0.5),
        ("linear", lambda i: 0.5 * (1 - i / (STEPS - 1))),
        ("exponential", lambda i: 0.5 * exp(-6 * i / (STEPS - 1))),
    ],
)
def test_negative_prompting_of_the_first_code_against_the_joint_batch(tiny, schedule: str, course):
    """eps = e + w (eps(target) - e) with e = a eps(empty) + (1 - a) eps(negative)."""
    conditioning = replace(REAL, empty_share=0.5, empty_schedule=schedule)
    step = translated(tiny, method(conditioning=conditioning, guidance_scale=4), clean(1))
    network = oracles.expose(tiny.unet, tiny.scheduler)
    empty, negative, target = (tokens(tiny, text) for text in ("", NEGATIVE, TASK.target_prompt))
    _, expected = joint_batch.edit(
        network,
        joint_batch.invert(network, clean(1), empty, STEPS),
        ([empty], [1.0]),
        lambda i: ([empty, negative, target], [-3 * course(i), -3 * (1 - course(i)), 4.0]),
        feature=until(4),
        maps=until(2),
        pairs=(0, 0, 0),
    )
    assert apart(step.targets[0], expected) <= EQUAL


@pytest.mark.parametrize(("share", "scale", "rows"), [(0, 7.5, 2), (1, 7.5, 2), (0.5, 7.5, 3), (0.5, 1, 1)])
def test_rows_without_weight_are_left_out(tiny, share: float, scale: float, rows: int):
    chosen = method(conditioning=replace(REAL, empty_share=share), guidance_scale=scale)
    trajectory = inverted(tiny, chosen, clean(1))
    branch = plan(tiny, chosen, trajectory).branch
    assert len(branch.conditioning.target(0)) == rows
    plain = plan(tiny, replace(chosen, conditioning=replace(REAL, negative="")), trajectory).branch
    if share == 1:  # plain classifier-free guidance
        assert torch.equal(branch.conditioning.target(0).tokens, plain.conditioning.target(0).tokens)


def test_the_source_prompt_may_be_the_negative_one(tiny):
    """Guidance then leaves a source branch alone that is predicted under its prompt."""
    unnamed, named = (method(conditioning=Prompts(negative=text)) for text in (None, TASK.source_prompt))
    trajectory = inverted(tiny, unnamed, clean(1))
    branches = [plan(tiny, chosen, trajectory).branch for chosen in (unnamed, named)]
    edits = [last(tiny, trajectory, [branch], reconstruct=False).targets[0] for branch in branches]
    assert apart(*edits) <= EQUAL and len(branches[0].conditioning.source(0)) == 1
    generated = plan(tiny, unnamed, trajectory, photograph=False).branch.conditioning  # which needs guidance itself
    wanted = [tiny.embed([text]).tokens for text in ("", TASK.source_prompt)]
    assert torch.equal(generated.source(0).tokens, torch.cat(wanted))


def test_generated_guidance_picture_against_the_joint_batch(backbone, network):
    """Both of the source's rows are in the batch, mixed by its own scale; each target row takes from its own."""
    conditioning = Prompts(source_text="", negative=NEGATIVE, source_negative="", source_guidance=5)
    chosen = method(conditioning=conditioning, guidance_scale=4)
    trajectory = Trajectory(backbone.schedule(STEPS), (random_start((4, 8, 8), [7]).double(),))
    step = last(backbone, trajectory, [plan(backbone, chosen, trajectory, photograph=False).branch])
    words = ("", TASK.source_prompt, NEGATIVE, TASK.target_prompt)
    empty, source, negative, target = (tokens(backbone, text) for text in words)
    generated, expected = joint_batch.edit(
        network,
        [trajectory.start],
        ([empty, source], [-4.0, 5.0]),
        lambda i: ([negative, target], [-3.0, 4.0]),
        feature=until(4),
        maps=until(2),
        pairs=(0, 1),
    )
    assert apart(step.source, generated) <= EQUAL and apart(step.targets[0], expected) <= EQUAL


def test_without_replay_it_is_plain_guided_ddim_from_the_inverted_latent(tiny):
    nothing = Replay(feature_until=0, attention_until=0)
    with calls(tiny.unet) as rows:
        step = translated(tiny, method(control=nothing), clean(1), reconstruct=False)
    assert rows == [1] * STEPS + [2] * STEPS
    network = oracles.expose(tiny.unet, tiny.scheduler)
    empty, negative, target = (tokens(tiny, text) for text in ("", NEGATIVE, TASK.target_prompt))
    x = joint_batch.invert(network, clean(1), empty, STEPS)[0]
    with torch.no_grad():
        for t in range(801, 0, -200):
            out = network(torch.cat([x, x]), t, torch.cat([negative, target]))
            x = joint_batch.step(network, x, out, [1 - 7.5, 7.5], t, STEPS)
    assert apart(step.targets[0], x) <= EQUAL


@pytest.mark.parametrize("guidance", [1, 4])
def test_replaying_what_the_target_computes_anyway_is_a_no_op(tiny, guidance: float):
    """The source has the target's own latents and prompts."""
    same = Prompts(source_text=TASK.target_prompt)
    chosen = method(conditioning=same, inversion=DDIMInversion(), guidance_scale=guidance)
    whole = Replay(feature_until=1, attention_until=1, extra_features=4, encoder_features=True)
    edits = [translated(tiny, replace(chosen, control=control), clean(1)) for control in (whole, NoControl())]
    assert apart(edits[0].targets[0], edits[1].targets[0]) <= EQUAL
    assert apart(edits[0].targets[0], edits[0].source) <= EQUAL


@pytest.mark.parametrize("backbone", ["epsilon", pytest.param("v_prediction", marks=pytest.mark.slow)], indirect=True)
@pytest.mark.parametrize("own", [{}, {"source_guidance": 2.0}, {"empty_share": 0.5}, {"source_text": "a dog"}])
def test_zero_strength_is_the_reconstruction(backbone, own: dict[str, object]):
    conditioning = Prompts(negative=NEGATIVE, strength=0, **own)
    step = translated(backbone, method(conditioning=conditioning, inversion=DDIMInversion()), clean(1))
    assert apart(step.targets[0], step.source) <= EQUAL
    moved = translated(backbone, method(conditioning=replace(conditioning, strength=1)), clean(1))
    assert apart(moved.targets[0], step.source) > 1e-3


def test_the_source_branch_ends_at_the_photograph(tiny):
    assert torch.equal(translated(tiny, method(), clean(1)).source, clean(1))


def test_a_finer_inversion_against_the_joint_batch(tiny):
    """The source runs through those of its levels that the sampler has."""
    inversion = DirectInversion(inversion_prompt="", inversion_steps=20)
    step = translated(tiny, method(inversion=inversion), clean(1))
    network = oracles.expose(tiny.unet, tiny.scheduler)
    empty, negative, target = (tokens(tiny, text) for text in ("", NEGATIVE, TASK.target_prompt))
    levels = joint_batch.invert(network, clean(1), empty, 20)  # 951, 901, ..., 1, clean
    _, expected = joint_batch.edit(
        network,
        [*levels[3::4], levels[-1]],
        ([empty], [1.0]),
        lambda i: ([negative, target], [1 - 7.5, 7.5]),
        feature=until(4),
        maps=until(2),
        pairs=(0, 0),
    )
    assert apart(step.targets[0], expected) <= EQUAL
    assert method(inversion=inversion).inversion.stages(STEPS) == 17  # nothing above the sampler's first level
    assert PlugAndPlay(inversion=DirectInversion(inversion_steps=999)).inversion.stages(50) == 981


@pytest.mark.parametrize("backbone", ["epsilon", pytest.param("v_prediction", marks=pytest.mark.slow)], indirect=True)
def test_batch_of_pictures_is_single_pictures(backbone):
    together = translated(backbone, method(), clean(3)).targets[0]
    for k, x0 in enumerate(clean(3)):
        assert apart(translated(backbone, method(), x0[None]).targets[0], together[k : k + 1]) <= EQUAL
