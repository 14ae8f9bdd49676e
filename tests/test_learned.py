"""What an inversion learned: values, prompts and negative prompts in both branches."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.runs import TASK, apart, clean, last, method, plan, prompts, source_of
from zeroshift.conditioning import EditDirection, Prompts
from zeroshift.control.base import Control
from zeroshift.diffusion.embedding import Embedding
from zeroshift.diffusion.prediction import predict
from zeroshift.diffusion.sites import NOTHING, Part, Site, Taps, select, tapped
from zeroshift.diffusion.source_branch import record
from zeroshift.diffusion.trajectory import Learned, Trajectory
from zeroshift.methods import DDIM
from zeroshift.running.sampling import Branch, sample

EQUAL = 1e-10
STEPS = 4


def learned_values(backbone, count: int = 1) -> Trajectory:
    """Return a trajectory with a scale and a shift of the value input at every step."""
    generator, shape = torch.Generator().manual_seed(2), (count, 16, 16)
    scales, shifts = (
        [torch.randn(shape, dtype=torch.float64, generator=generator) for _ in range(STEPS)] for _ in range(2)
    )
    return Trajectory(backbone.schedule(STEPS), (clean(count),), learned=Learned(scales=scales, shifts=shifts))


@contextmanager
def inputs_of(backbone, ending: str) -> Iterator[list[Tensor]]:
    """Collect what the projections of that name are given."""
    seen: list[Tensor] = []
    handles = [
        module.register_forward_pre_hook(lambda _module, args: seen.append(args[0]))
        for name, module in backbone.unet.named_modules()
        if name.endswith(ending)
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


@pytest.mark.parametrize("until", [0.0, 0.5, 1.0])
def test_learned_values_reach_value_projections_alone(tiny, until: float):
    """With no control at all, in both branches, as long as the target shall see them; keys see the prompts."""
    trajectory = learned_values(tiny)
    learned = trajectory.learned
    chosen = DDIM(steps=STEPS, guidance_scale=1.0, conditioning=Prompts(values_until=until))
    source, target = (tiny.embed([t]).tokens for t in (TASK.source_prompt, TASK.target_prompt))
    steps = sample(tiny, trajectory, [plan(tiny, chosen, trajectory).branch], reconstruct=True)
    layers = sum(site.kind == "cross" for site in tiny.sites)
    for i in range(STEPS):
        with inputs_of(tiny, "attn2.to_v") as values, inputs_of(tiny, "attn2.to_k") as keys:
            next(steps)
        assert len(values) == len(keys) == 2 * layers
        moved = [c * learned.scales[i] + learned.shifts[i] for c in (source, target)]
        expected = [moved[0], moved[1] if i < until * STEPS else target]
        for n, (prompt, value) in enumerate(zip((source, target), expected, strict=True)):
            assert all(torch.equal(x, prompt) for x in keys[n * layers : (n + 1) * layers])
            assert all(apart(x, value) <= 1e-14 for x in values[n * layers : (n + 1) * layers])


class Reading(Control):
    """Records keys and values of cross-attention at the first step."""

    def records(self, site: Site, i: int) -> frozenset[Part]:
        return frozenset({"k", "v"}) if site.kind == "cross" and i == 0 else NOTHING


def test_keys_are_the_same_with_and_without_learned_values(tiny):
    chosen, found = DDIM(steps=STEPS), []
    for trajectory in (learned_values(tiny), replace(learned_values(tiny), learned=Learned())):
        branch = Branch(plan(tiny, chosen, trajectory).branch.conditioning, Reading())
        with tapped(tiny, select("cross", "k", "v")) as taps, torch.no_grad():
            found.append(next(record(source_of(tiny, taps, trajectory, branch))).seen)
    with_values, without = found
    assert with_values.keys() == without.keys()
    for (site, part), x in with_values.items():
        other = without[site, part]
        assert torch.equal(x, other) if part == "k" else apart(x[1], other[1]) > 1e-3
        assert apart(x[0], other[0]) <= EQUAL  # the negative row has nothing learned


def test_an_edit_direction_shifts_what_learned_values_are_made_of(tiny):
    """Also where the gradient of attention guidance passes through."""
    trajectory = learned_values(tiny)
    chosen = method(conditioning=EditDirection(sentences=5))
    still = replace(chosen, conditioning=EditDirection(sentences=5, strength=0.0))
    for some, equal in ((still, True), (chosen, False)):
        step = last(tiny, trajectory, [plan(tiny, some, trajectory).branch])
        assert (apart(step.targets[0], step.source) <= EQUAL) is equal
    plain = replace(trajectory, learned=Learned())
    step = last(tiny, plain, [plan(tiny, still, plain).branch])
    assert apart(step.source, last(tiny, trajectory, [plan(tiny, still, trajectory).branch]).source) > 1e-3


def test_learned_values_without_taps_are_an_error(tiny):
    c = prompts(tiny)
    valued, x = Embedding(c.tokens, c.tokens * 2), clean(1)
    with torch.no_grad():
        with pytest.raises(RuntimeError, match="Learned values need taps at the cross-attention layers; install them"):
            predict(tiny, Taps(()), x, 1, valued)
        with tapped(tiny, select("self", "q")) as taps, pytest.raises(RuntimeError, match="need taps"):
            predict(tiny, taps, x, 1, valued)
        with tapped(tiny, select("cross", "v")) as taps:
            moved = predict(tiny, taps, x, 1, valued)
            again = predict(tiny, taps, x, 1, c)
        assert apart(again, tiny.predict(x, 1, c)) <= EQUAL < 1e-4 < apart(moved, again)


def test_learned_prompts_and_negatives_stand_in_for_the_given_ones(tiny):
    generator = torch.Generator().manual_seed(3)
    a, b = ([torch.randn(1, 16, 16, dtype=torch.float64, generator=generator) for _ in range(STEPS)] for _ in range(2))
    trajectory = Trajectory(tiny.schedule(STEPS), (clean(1),), learned=Learned(prompts=a, negatives=b))
    direction = method(conditioning=EditDirection(sentences=5), guidance_scale=3.0)
    for chosen in (DDIM(steps=STEPS, guidance_scale=3.0), direction):
        conditioning = plan(tiny, chosen, trajectory).branch.conditioning
        for i in range(STEPS):
            source, target = conditioning.source(i), conditioning.target(i)
            assert [e.tokens is x for e, x in zip(source.embeddings, (b[i], a[i]), strict=True)] == [True, True]
            assert target.embeddings[0].tokens is b[i] and source.weights == target.weights == (-2.0, 3.0)
    shifted = plan(tiny, direction, trajectory).branch.conditioning.target(1).embeddings[1].tokens - a[1]
    other = plan(tiny, direction, trajectory).branch.conditioning.target(2).embeddings[1].tokens - a[2]
    assert apart(shifted, other) <= 1e-14 and float(shifted.abs().max()) > 1e-3
