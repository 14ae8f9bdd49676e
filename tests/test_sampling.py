"""The loop: who walks when, what is held meanwhile, and that nothing stays behind."""

import weakref
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.runs import STEPS, apart, clean, inverted, last, method, plan, prompts
from tests.watch import calls, installed
from zeroshift.conditioning.prompts import FixedPrompts
from zeroshift.conditioning.shift import EditDirection
from zeroshift.control.base import Control, Rows, Stack, StepContext
from zeroshift.control.fused_guidance import FusedGuidance
from zeroshift.control.guidance import AttentionGuidance
from zeroshift.diffusion.embedding import TextRows, guidance_rows
from zeroshift.diffusion.prediction import guided
from zeroshift.diffusion.sites import Part, Site, Taps, select
from zeroshift.diffusion.source_branch import Recorded, sliding
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.inversion.ddim import DDIMInversion
from zeroshift.methods.plug_and_play import PlugAndPlay
from zeroshift.methods.prompt_to_prompt import PromptToPrompt
from zeroshift.methods.rediffuser import ReDiffuser
from zeroshift.running.sampling import Branch, sample

PLAIN = method(inversion=DDIMInversion())
UNGUIDED = replace(PLAIN, control=AttentionGuidance(lambda_xa=0))
NOTHING_RECORDED: dict[tuple[Site, Part], Tensor] = {}


def steps_up_to(count: int) -> Iterator[Recorded]:
    nothing = torch.zeros(())
    return (Recorded(i, nothing, nothing, NOTHING_RECORDED) for i in range(count))


@pytest.mark.parametrize("count", [0, 1, 2, 5])
@pytest.mark.parametrize(("before", "after"), [(0, 0), (1, 0), (0, 1), (2, 1), (1, 3), (9, 9)])
def test_sliding_window(count: int, before: int, after: int):
    seen = [(i, [r.i for r in held]) for i, held in sliding(steps_up_to(count), before, after)]
    assert seen == [(i, [k for k in range(count) if i - before <= k <= i + after]) for i in range(count)]


def test_sliding_takes_no_more_steps_than_it_needs():
    taken: list[int] = []
    source = (taken.append(r.i) or r for r in steps_up_to(9))
    for i, _ in sliding(source, 1, 2):
        assert taken == list(range(min(i + 3, 9)))


def start(backbone) -> Trajectory:
    return Trajectory(backbone.schedule(STEPS), (clean(1),))


def branch(backbone, chosen, photograph: bool = True) -> Branch:
    return plan(backbone, chosen, start(backbone), photograph).branch


def test_source_branch_is_left_out_when_nobody_needs_it(tiny):
    with calls(tiny.unet) as rows:
        step = last(tiny, start(tiny), [branch(tiny, UNGUIDED)], reconstruct=False)
    assert step.source is None and rows == [2] * STEPS  # two prompts in one call per step


def test_source_branch_is_walked_if_the_reconstruction_is_asked_for(tiny):
    with calls(tiny.unet) as rows:
        steps = list(sample(tiny, start(tiny), [branch(tiny, UNGUIDED)], reconstruct=True))
    assert all(step.source is not None for step in steps) and rows == [1, 2] * STEPS


def test_source_branch_is_one_row_for_a_photograph(tiny):
    """Negative and source prompt are the same there; the pass with the gradient and the prediction have two rows."""
    with calls(tiny.unet) as rows:
        step = last(tiny, start(tiny), [branch(tiny, PLAIN)], reconstruct=False)
    assert step.source is not None and rows == [1, 2, 2] * STEPS


def test_source_branch_has_both_rows_for_a_generated_picture(tiny):
    with calls(tiny.unet) as rows:
        last(tiny, start(tiny), [branch(tiny, PLAIN, photograph=False)], reconstruct=False)
    assert rows == [2, 2, 2] * STEPS


def test_edits_share_one_source_walk(tiny):
    edits = [branch(tiny, replace(PLAIN, conditioning=EditDirection(sentences=5, strength=s))) for s in (1, 2, 3)]
    with calls(tiny.unet) as rows:
        step = last(tiny, start(tiny), edits)
    assert rows == [1, *[2, 2] * 3] * STEPS
    for edit, together in zip(edits, step.targets, strict=True):
        assert apart(last(tiny, start(tiny), [edit]).targets[0], together) <= 1e-10


@pytest.mark.parametrize("order", [1, -1])
def test_an_edit_that_needs_no_source_may_share_a_run(tiny, order: int):
    edits = [branch(tiny, chosen) for chosen in (UNGUIDED, PLAIN)][::order]
    step = last(tiny, start(tiny), edits, reconstruct=False)
    for edit, together in zip(edits, step.targets, strict=True):
        assert apart(last(tiny, start(tiny), [edit], reconstruct=False).targets[0], together) <= 1e-10
    assert apart(*step.targets) > 1e-4


class Following(Control):
    """Needs the source's latents, records nothing, and notes which of its neighbours it was shown."""

    window = (1, 2)
    follows_source = True

    def __init__(self) -> None:
        self.shown: list[list[int]] = []

    def blend(self, x: Tensor, here: StepContext) -> Tensor:
        self.shown.append([r.i for r in here.recorded])
        return here.source.following


def test_a_control_may_follow_the_source_and_see_its_neighbours(tiny):
    control = Following()
    following = Branch(branch(tiny, PLAIN).conditioning, control)
    for step in sample(tiny, start(tiny), [following]):
        assert torch.equal(step.targets[0], step.source)
    assert control.shown == [[0, 1, 2], [0, 1, 2, 3], [1, 2, 3], [2, 3]]


class Steering(Control):
    """Touches every point of a step that needs no network, in a way that can be told apart."""

    def correct(self, x: Tensor, here: StepContext) -> Rows:
        return Rows((x + 1,))

    def steer(self, x0: Tensor, eps: Tensor, x: Tensor, here: StepContext) -> tuple[Tensor, Tensor]:
        return x * 3, x * 5

    def blend(self, x: Tensor, here: StepContext) -> Tensor:
        return x * 2


class Watch(Control):
    """A control that counts the steps whose recordings live at the moment when another is about to be recorded."""

    def __init__(self) -> None:
        self.steps: dict[int, list[weakref.ref[Tensor]]] = {}
        self.alive: list[int] = []

    def records(self, site: Site, i: int) -> frozenset[Part]:
        self.alive.append(sum(any(ref() is not None for ref in step) for step in self.steps.values()))
        return frozenset()

    def correct(self, x: Tensor, here: StepContext) -> Rows:
        for recorded in here.recorded:
            self.steps.setdefault(recorded.i, [weakref.ref(value) for value in recorded.seen.values()])
        return Rows((x,))


HOLDING = {
    "pix2pix-zero": (method(inversion=DDIMInversion()), 0),
    "prompt-to-prompt": (PromptToPrompt(steps=STEPS), 0),
    "plug-and-play": (PlugAndPlay(steps=STEPS), 0),
    "rediffuser": (ReDiffuser(steps=STEPS), 2),
    "rediffuser, chain": (ReDiffuser(steps=STEPS, control=FusedGuidance(regeneration="chain")), 2),
    "rediffuser, latent-blend": (ReDiffuser(steps=STEPS, control=FusedGuidance(cooperative="latent-blend")), 2),
}


@pytest.mark.parametrize("name", HOLDING)
def test_no_recording_outlives_the_last_step_that_sees_it(tiny, name: str):
    """While the source's next step is recorded, only those live that the control will look at again."""
    chosen, neighbours = HOLDING[name]
    edit = plan(tiny, chosen, inverted(tiny, chosen, clean(1))).branch
    watch = Watch()
    for _ in sample(tiny, inverted(tiny, chosen, clean(1)), [Branch(edit.conditioning, Stack([edit.control, watch]))]):
        pass
    assert max(watch.alive) == neighbours and len(watch.steps) > neighbours + 1


def test_order_of_the_points_of_a_step(tiny):
    trajectory = start(tiny)
    conditioning = branch(tiny, PLAIN).conditioning
    first = next(iter(sample(tiny, trajectory, [Branch(conditioning, Steering())])))
    moved = trajectory.start + 1
    assert torch.equal(first.targets[0], trajectory.schedule.join_at(moved * 3, moved * 5, 1) * 2)
    assert torch.equal(first.previews[0], moved * 3)


class Known(Control):
    """Has the prediction already."""

    def correct(self, x: Tensor, here: StepContext) -> Rows:
        return Rows((x,), x * 0.5)


def test_the_network_is_not_asked_for_what_a_control_has(tiny):
    trajectory = start(tiny)
    with calls(tiny.unet) as rows:
        first = next(sample(tiny, trajectory, [Branch(branch(tiny, PLAIN).conditioning, Known())]))
    assert rows == []
    assert torch.equal(first.targets[0], trajectory.schedule.advance(trajectory.start, trajectory.start * 0.5, 0))


def test_the_network_is_clean_between_two_steps(tiny):
    class Looking(Control):
        def records(self, site: Site, i: int) -> frozenset[Part]:
            return select("cross", "probs")(site)

        def blend(self, x: Tensor, here: StepContext) -> Tensor:
            inside.append(installed(tiny.unet) == before)
            return x

    before, inside = installed(tiny.unet), list[bool]()
    for _ in sample(tiny, start(tiny), [Branch(branch(tiny, PLAIN).conditioning, Looking())]):
        assert installed(tiny.unet) == before
    assert inside == [False] * STEPS


def test_an_error_inside_leaves_the_network_clean(tiny):
    class Failing(Control):
        def records(self, site: Site, i: int) -> frozenset[Part]:
            return select("cross", "probs")(site)

        def blend(self, x: Tensor, here: StepContext) -> Tensor:
            raise KeyboardInterrupt

    before = installed(tiny.unet)
    with pytest.raises(KeyboardInterrupt):
        last(tiny, start(tiny), [Branch(branch(tiny, PLAIN).conditioning, Failing())])
    assert installed(tiny.unet) == before


def test_gradients_are_off_between_steps_and_on_outside(tiny):
    trajectory = inverted(tiny, PLAIN, clean(1))
    for step in sample(tiny, trajectory, [plan(tiny, PLAIN, trajectory).branch]):
        assert torch.is_grad_enabled() and not step.targets[0].requires_grad
    assert all(p.grad is None and not p.requires_grad for p in tiny.unet.parameters())


def test_the_same_prompt_gives_the_source(tiny):
    """An edit that does nothing is the source branch."""
    rows = guidance_rows(tiny.embed([""]), prompts(tiny), 5.0)
    step = last(tiny, start(tiny), [Branch(FixedPrompts(rows, rows), Following())])
    unrelated = last(tiny, start(tiny), [Branch(FixedPrompts(rows, rows), Control())])
    assert torch.equal(step.source, unrelated.targets[0])


def test_guided_mixes_any_number_of_weighted_rows(tiny):
    texts = [tiny.embed([text]) for text in ("", "a photo of a cat", "a dog")]
    x = clean(1)
    alone = [tiny.predict(x, 401, text) for text in texts]
    mixed = guided(tiny, Taps(()), (x,), 401, TextRows(tuple(texts), (0.5, 2.0, -1.5)))
    assert apart(mixed, 0.5 * alone[0] + 2.0 * alone[1] - 1.5 * alone[2]) <= 1e-12


def test_previews_are_the_clean_estimate(tiny):
    trajectory = start(tiny)
    step = next(iter(sample(tiny, trajectory, [branch(tiny, UNGUIDED)])))
    schedule, taps = trajectory.schedule, Taps(())
    text = branch(tiny, UNGUIDED).conditioning.target(0)
    out = guided(tiny, taps, (trajectory.start,), schedule.timesteps[0], text)
    x0, eps = schedule.split(trajectory.start, out, schedule.level(0))
    assert apart(step.previews[0], x0) <= 1e-12
    assert apart(step.targets[0], schedule.join_at(x0, eps, 1)) <= 1e-12
