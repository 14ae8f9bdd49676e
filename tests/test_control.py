"""Controls together: what each sees of the others."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.runs import STEPS, apart, clean, method, plan, start, translated
from tests.watch import calls, running_order
from zeroshift.control import SamplingNoise
from zeroshift.control.base import Control, Rows, Stack, StepContext
from zeroshift.control.guidance import AttentionGuidance
from zeroshift.diffusion.sites import NOTHING, Compute, Handler, Part, Site
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.inversion import DDIMInversion
from zeroshift.methods import DDIM
from zeroshift.running.sampling import Branch, sample

EQUAL = 1e-10


def under(backbone, trajectory: Trajectory, *controls: Control) -> Branch:
    """Return an edit of two prompt rows under a stack of controls."""
    chosen = DDIM(steps=STEPS, guidance_scale=3.0)
    return Branch(plan(backbone, chosen, trajectory).branch.conditioning, Stack(controls))


class Point(Control):
    """Changes the latent, the clean part or the noise by a function each."""

    def __init__(self, steer: Callable[[Tensor], Tensor], blend: Callable[[Tensor], Tensor]) -> None:
        self.of_steer, self.of_blend = steer, blend

    def steer(self, x0: Tensor, eps: Tensor, x: Tensor, here: StepContext) -> tuple[Tensor, Tensor]:
        return self.of_steer(x0), eps

    def blend(self, x: Tensor, here: StepContext) -> Tensor:
        return self.of_blend(x)


def test_each_control_sees_what_those_before_it_left(tiny):
    trajectory = start(tiny)
    doubled, raised = (Point(f, f) for f in (lambda x: x * 2, lambda x: x + 1))
    ((plain,), (one,), (other,)) = (
        next(sample(tiny, trajectory, [under(tiny, trajectory, *stack)])).previews
        for stack in ((), (doubled, raised), (raised, doubled))
    )
    assert torch.equal(one, plain * 2 + 1) and torch.equal(other, (plain + 1) * 2)
    for stack, change in (((doubled, raised), lambda x: x * 2 + 1), ((raised, doubled), lambda x: (x + 1) * 2)):
        (whole,) = next(sample(tiny, trajectory, [under(tiny, trajectory, *stack)])).targets
        steered = [Point(control.of_steer, lambda x: x) for control in stack]
        (unblended,) = next(sample(tiny, trajectory, [under(tiny, trajectory, *steered)])).targets
        assert torch.equal(whole, change(unblended))


class Moving(Control):
    """Moves each row by an amount of its own, or all by one."""

    def __init__(self, *amounts: float, out: float | None = None) -> None:
        self.amounts, self.out, self.seen = amounts, out, torch.empty(0)

    def correct(self, x: Tensor, here: StepContext) -> Rows:
        self.seen = x
        out = None if self.out is None else x * self.out
        return Rows(tuple(x + amount if amount else x for amount in self.amounts), out)


def corrected(backbone, *controls: Control) -> Rows:
    trajectory = start(backbone)
    branch = under(backbone, trajectory, *controls)
    here = StepContext(backbone, trajectory, None, 0, branch.conditioning.target(0), ())
    return branch.control.correct(trajectory.start, here)


@pytest.mark.parametrize(
    ("moves", "expected"),
    [
        ([], [0]),
        ([(1.0, 2.0)], [1, 2]),
        ([(1.0, 2.0), (10.0, 20.0)], [11, 22]),
        ([(1.0, 2.0), (10.0,)], [11, 12]),
        ([(10.0,), (1.0, 2.0)], [11, 12]),
        ([(10.0,), (1.0,)], [11]),
        ([(1.0, 2.0), (0.0,), (0.5, 0.25)], [1.5, 2.25]),
    ],
)
def test_displacements_of_two_correctors_add(tiny, moves, expected):
    controls = [Moving(*amounts) for amounts in moves]
    rows, x = corrected(tiny, *controls), clean(1)
    assert len(rows.latents) == len(expected)
    for row, amount in zip(rows.latents, expected, strict=True):
        assert apart(row, x + amount) <= 1e-14
    if len(controls) > 1:  # the later starts from the first row
        assert torch.equal(controls[1].seen, x + moves[0][0])


def test_a_prediction_is_kept_until_the_latents_move(tiny):
    x = clean(1)
    knowing, still, moving = Moving(0.0, out=0.5), Moving(0.0), Moving(1.0)
    assert corrected(tiny, still, moving).out is None
    assert torch.equal(corrected(tiny, knowing, still).out, x * 0.5)
    assert torch.equal(corrected(tiny, still, knowing).out, x * 0.5)
    assert corrected(tiny, knowing, moving).out is None  # what is known is of another latent now
    rows = corrected(tiny, moving, knowing)
    assert torch.equal(rows.out, (x + 1) * 0.5) and torch.equal(rows.latents[0], x + 1)


class Inside(Control):
    """Reads one part of a kind of layer at some steps or, told how, changes it."""

    def __init__(self, kind: str, part: Part, change: Callable[[Compute], Tensor] | None, steps: set[int]) -> None:
        self.kind, self.part, self.change, self.steps = kind, part, change, steps

    def records(self, site: Site, i: int) -> frozenset[Part]:
        wanted = not self.change and site.kind == self.kind and i in self.steps
        return frozenset({self.part}) if wanted else NOTHING

    def applies(self, site: Site, i: int) -> frozenset[Part]:
        wanted = self.change and site.kind == self.kind and i in self.steps
        return frozenset({self.part}) if wanted else NOTHING

    def apply(self, here: StepContext) -> Handler | None:
        change = self.change
        return None if change is None else lambda _site, _part, compute: change(compute)


def test_a_stack_records_and_applies_the_union(tiny):
    a, b, c = (Inside("self", part, None, steps) for part, steps in (("q", {0, 1}), ("v", {1, 2}), ("k", {3})))
    c.change, b.window, a.follows_source = (lambda compute: compute()), (0, 2), True
    both = Stack([a, b, c, Control()])
    site = next(s for s in tiny.sites if s.kind == "self")
    other = next(s for s in tiny.sites if s.kind == "cross")
    assert [both.records(site, i) for i in range(4)] == [{"q"}, {"q", "v"}, {"v"}, NOTHING]
    assert [both.applies(site, i) for i in range(4)] == [NOTHING, NOTHING, NOTHING, {"k"}]
    assert both.records(other, 1) == both.applies(other, 1) == NOTHING
    assert both.window == (0, 2) and both.follows_source and not Stack([b]).follows_source
    b.window, a.window = (1, 0), (0, 3)
    assert Stack([a, b]).window == (1, 3) and Stack([]).window == (0, 0)


def first_of(backbone, *controls: Control) -> Tensor:
    trajectory = start(backbone)
    (x,) = next(sample(backbone, trajectory, [under(backbone, trajectory, *controls)])).targets
    return x


def test_the_later_handler_gets_what_the_earlier_returned(tiny):
    doubled, raised = (Inside("cross", "v", change, {0}) for change in (lambda c: c() * 2, lambda c: c() + 1))
    together = Inside("cross", "v", lambda c: c() * 2 + 1, {0})
    assert apart(first_of(tiny, doubled, raised), first_of(tiny, together)) <= EQUAL
    assert apart(first_of(tiny, raised, doubled), first_of(tiny, together)) > 1e-6
    elsewhere = Inside("self", "v", lambda c: c() * 1.5, {0})
    assert apart(first_of(tiny, elsewhere, doubled), first_of(tiny, doubled, elsewhere)) <= EQUAL
    assert apart(first_of(tiny, elsewhere, doubled), first_of(tiny, doubled)) > 1e-6


class Replacing(Control):
    """Puts what an earlier run recorded in the place of self-attention's queries."""

    def __init__(self, queries: dict[tuple[Site, Part], Tensor]) -> None:
        self.queries = queries

    def applies(self, site: Site, i: int) -> frozenset[Part]:
        return frozenset({"q"}) if site.kind == "self" else NOTHING

    def apply(self, here: StepContext) -> Handler:
        return lambda site, part, _compute: self.queries[site, part]


def test_nothing_is_computed_that_a_later_handler_replaces(tiny):
    seen: dict[tuple[Site, Part], Tensor] = {}
    ran: list[int] = []

    class Keeping(Replacing):
        def apply(self, here: StepContext) -> Handler:
            return lambda site, part, compute: seen.setdefault((site, part), compute())

    doubled = Inside("self", "q", lambda compute: ran.append(1) or compute() * 2, {0})
    expected = first_of(tiny, Keeping(seen))
    projections = {name: m for name, m in tiny.unet.named_modules() if name.endswith("attn1.to_q")}
    with running_order(projections) as names:
        assert torch.equal(first_of(tiny, doubled, Replacing(seen)), expected)
        assert not ran
        assert apart(first_of(tiny, Replacing(seen), doubled), expected) > 1e-6
    assert len(ran) == len(projections) and names == []


def test_a_stack_of_one_is_that_one(tiny):
    """In the real method: guidance with an extra that does nothing."""
    chosen = method(inversion=DDIMInversion())
    idle = replace(chosen, extras=(SamplingNoise(eta=0.0),))
    with calls(tiny.unet) as rows:
        alone = translated(tiny, chosen, clean(2))
    with calls(tiny.unet) as same:
        together = translated(tiny, idle, clean(2))
    assert apart(alone.targets[0], together.targets[0]) <= EQUAL and rows == same


def test_a_later_push_moves_both_rows_of_attention_guidance(tiny):
    trajectory = start(tiny)
    branch = plan(tiny, method(control=AttentionGuidance(lambda_xa=0.2)), trajectory).branch
    pushed = Branch(branch.conditioning, Stack([branch.control, Moving(0.3)]))
    seen: dict[str, Rows] = {}

    class Seeing(Control):
        def __init__(self, name: str, control: Control) -> None:
            self.name, self.control = name, control

        def records(self, site: Site, i: int) -> frozenset[Part]:
            return self.control.records(site, i)

        def correct(self, x: Tensor, here: StepContext) -> Rows:
            seen[self.name] = self.control.correct(x, here)
            return seen[self.name]

    for name, edit in (("alone", branch), ("pushed", pushed)):
        next(sample(tiny, trajectory, [Branch(edit.conditioning, Seeing(name, edit.control))]))
    for a, b in zip(seen["alone"].latents, seen["pushed"].latents, strict=True):
        assert apart(a + 0.3, b) <= 1e-13


def test_an_extra_is_taken_once():
    with pytest.raises(ValueError, match="taken once; leave out what is there more than once: sampling-noise"):
        DDIM(extras=(SamplingNoise(), SamplingNoise(eta=1.0)))
